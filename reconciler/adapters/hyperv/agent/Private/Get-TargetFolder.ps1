function Get-TargetFolder {
    # The folders that files of recovered machines may be below, without a backslash at their end.
    param([System.Collections.IDictionary] $Entries)
    try {
        # Where an administrator lists them, no others count.
        $listed = [System.IO.Path]::Combine($env:ProgramData, 'ReconcilerAgent', 'target-folders.txt')
        return [System.IO.File]::ReadAllLines($listed) | ForEach-Object { $_.Trim().TrimEnd('\') } | Where-Object { $_ }
    }
    catch {
        $reason = $_.Exception.GetBaseException()
        if ($reason -isnot [System.IO.FileNotFoundException] -and $reason -isnot [System.IO.DirectoryNotFoundException]) {
            throw
        }
    }
    $usual = Get-VMHost
    "$($usual.VirtualHardDiskPath)".TrimEnd('\')
    "$($usual.VirtualMachinePath)".TrimEnd('\')
    if (Test-ClusterNode) {
        foreach ($shared in @(Get-ClusterSharedVolume | ForEach-Object { $_.SharedVolumeInfo })) {
            "$($shared.FriendlyVolumeName)".TrimEnd('\')
        }
    }
    Get-DiskFileList | ForEach-Object { $_ } | ForEach-Object { Get-ParentFolder -Path $_ }
    $Entries.Values | ForEach-Object { $_.Files } | Where-Object { $_ -and -not $_.StartsWith('\\') } | ForEach-Object { Get-ParentFolder -Path $_ }
}
