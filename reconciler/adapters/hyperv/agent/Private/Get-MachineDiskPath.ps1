function Get-MachineDiskPath {
    # The disk files that a machine has now.
    param([object] $VM)
    foreach ($drive in @(Get-VMHardDiskDrive -VM $VM | Where-Object { $null -eq $_.DiskNumber })) {
        "$($drive.Path)"
    }
}
