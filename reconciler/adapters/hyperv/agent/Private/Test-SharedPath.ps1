function Test-SharedPath {
    # Whether every node of the cluster finds a file: on a cluster shared volume, or a file server.
    param([string] $Path)
    if ($Path.StartsWith('\\')) {
        return $true
    }
    foreach ($shared in @(Get-ClusterSharedVolume | ForEach-Object { $_.SharedVolumeInfo })) {
        $root = "$($shared.FriendlyVolumeName)".TrimEnd('\') + '\'
        if ($Path.StartsWith($root, [System.StringComparison]::OrdinalIgnoreCase)) {
            return $true
        }
    }
    $false
}
