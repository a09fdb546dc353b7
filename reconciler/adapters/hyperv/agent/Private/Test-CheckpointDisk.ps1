function Test-CheckpointDisk {
    # Whether a recovery checkpoint keeps this file. A piece of a large disk is asked for often, so
    # what was true once is asked again only when Hyper-V does not find the file.
    param([string] $Path)
    if ($script:CheckpointDisks.Contains($Path)) {
        return $true
    }
    $script:CheckpointDisks.Clear()
    foreach ($vm in @(Get-VM)) {
        foreach ($snapshot in @(Get-VMSnapshot -VM $vm -SnapshotType Recovery)) {
            foreach ($drive in @($snapshot.HardDrives | Where-Object { $null -eq $_.DiskNumber })) {
                [void] $script:CheckpointDisks.Add("$($drive.Path)")
            }
        }
    }
    $script:CheckpointDisks.Contains($Path)
}
