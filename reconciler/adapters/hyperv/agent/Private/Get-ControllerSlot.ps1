function Get-ControllerSlot {
    # The drives of a machine by the instance id of the disk in each.
    # Source: the id of a drive ends in \D, that of its disk in \L (Msvm_StorageAllocationSettingData).
    param([object] $VM)
    $slots = @{}
    foreach ($drive in @(Get-VMHardDiskDrive -VM $VM)) {
        $slots["$($drive.Id)" -replace '\\D$', '\L'] = $drive
    }
    $slots
}
