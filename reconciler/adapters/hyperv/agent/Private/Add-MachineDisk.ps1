function Add-MachineDisk {
    # Attach a disk file to a machine that is being made; what is in its place by default gives way.
    param([object] $VM, [object] $Disk)
    $slot = @{
        ControllerType = $Disk.ControllerType
        ControllerNumber = $Disk.ControllerNumber
        ControllerLocation = $Disk.ControllerLocation
    }
    if ($Disk.ControllerType -eq 'SCSI') {
        for ($count = @(Get-VMScsiController -VM $VM).Count; $count -le $Disk.ControllerNumber; $count++) {
            Add-VMScsiController -VM $VM
        }
    }
    foreach ($drive in @(Get-VMDvdDrive -VM $VM)) {
        $place = '{0} {1}:{2}' -f "$($drive.ControllerType)", $drive.ControllerNumber, $drive.ControllerLocation
        if ($place -eq $Disk.Slot) {
            Remove-VMDvdDrive -VMDvdDrive $drive
        }
    }
    Add-VMHardDiskDrive -VM $VM -Path $Disk.Path @slot
}
