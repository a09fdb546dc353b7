function Get-DiskFileList {
    # Every disk file of the host's machines and recovery checkpoints, with the parents of each.
    # Whoever called this host cannot be passed on to a file server, so what is there is left out.
    # Nor does a planned machine count: what its configuration names is nobody's disk yet.
    param([string] $Except = '')
    $found = New-Object -TypeName 'System.Collections.Generic.HashSet[string]' -ArgumentList ([System.StringComparer]::OrdinalIgnoreCase)
    foreach ($vm in @(Get-VM | Where-Object { "$($_.VirtualMachineType)" -ne 'PlannedVirtualMachine' -and "$($_.Id)" -ne $Except })) {
        $drives = @(Get-VMHardDiskDrive -VM $vm)
        $drives += @(Get-VMSnapshot -VM $vm -SnapshotType Recovery | ForEach-Object { $_.HardDrives })
        foreach ($drive in $drives) {
            if ($null -ne $drive.DiskNumber) {
                continue
            }
            $path = "$($drive.Path)"
            while ($path -and -not $path.StartsWith('\\') -and $found.Add($path)) {
                $disk = Get-VHD -Path $path -ErrorAction SilentlyContinue
                $path = if ($null -eq $disk) { '' } else { "$($disk.ParentPath)" }
            }
        }
    }
    , $found
}
