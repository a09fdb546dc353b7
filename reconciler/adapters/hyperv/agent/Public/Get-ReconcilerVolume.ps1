function Get-ReconcilerVolume {
    <#
    .SYNOPSIS
    The volumes of the host, with the cluster shared ones.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Volume')]
    param()

    $dedup = Get-DedupFolder
    foreach ($volume in @(Get-CimInstance -ClassName 'Win32_Volume' -Filter 'DriveType=3')) {
        # One that is mounted nowhere is named by its GUID.
        if (-not "$($volume.Name)".StartsWith('\\?\')) {
            ConvertTo-Volume -Path "$($volume.Name)" -Size $volume.Capacity -SizeRemaining $volume.FreeSpace -Dedup $dedup
        }
    }
    if (-not (Test-ClusterNode)) {
        return
    }
    foreach ($shared in @(Get-ClusterSharedVolume | ForEach-Object { $_.SharedVolumeInfo })) {
        ConvertTo-Volume -Path "$($shared.FriendlyVolumeName)" -Size $shared.Partition.Size -SizeRemaining $shared.Partition.FreeSpace -Dedup $dedup -IsClusterShared
    }
}
