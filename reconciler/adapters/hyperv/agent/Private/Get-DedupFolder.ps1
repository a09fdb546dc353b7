function Get-DedupFolder {
    # Where deduplicated volumes are mounted, each with a final backslash.
    if (-not $script:Feature['Deduplication']) {
        return @()
    }
    foreach ($volume in @(Get-DedupVolume)) {
        if ($volume.Enabled) {
            "$($volume.Volume)".TrimEnd('\') + '\'
        }
    }
}
