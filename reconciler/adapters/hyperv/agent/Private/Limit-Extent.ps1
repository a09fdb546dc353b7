function Limit-Extent {
    # No more extents than one answer may have: then it reaches only to where the next one begins.
    param([object] $Answer, [long] $Offset)
    $offsets = @($Answer.ChangedByteOffsets | Where-Object { $null -ne $_ })
    $lengths = @($Answer.ChangedByteLengths | Where-Object { $null -ne $_ })
    $processed = [long] $Answer.ProcessedByteLength
    $most = $script:MaximumExtents
    if ($offsets.Count -gt $most) {
        $starts = [long[]] $offsets
        $sizes = [long[]] $lengths
        [System.Array]::Sort($starts, $sizes)
        while ($most -lt $starts.Length -and $starts[$most] -le $Offset) {
            $most++
        }
        if ($most -lt $starts.Length) {
            $processed = $starts[$most] - $Offset
        }
        $offsets = $starts[0..($most - 1)]
        $lengths = $sizes[0..($most - 1)]
    }
    @{ ProcessedLength = $processed; Offsets = @($offsets); Lengths = @($lengths) }
}
