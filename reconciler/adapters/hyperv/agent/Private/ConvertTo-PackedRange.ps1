function ConvertTo-PackedRange {
    # Offsets and lengths as pairs of longs in one byte array.
    param([object[]] $Offsets, [object[]] $Lengths)
    $pairs = New-Object -TypeName 'long[]' -ArgumentList ($Offsets.Count * 2)
    for ($index = 0; $index -lt $Offsets.Count; $index++) {
        $pairs[2 * $index] = [long] $Offsets[$index]
        $pairs[2 * $index + 1] = [long] $Lengths[$index]
    }
    $packed = New-Object -TypeName 'byte[]' -ArgumentList ($pairs.Length * 8)
    [System.Buffer]::BlockCopy($pairs, 0, $packed, 0, $packed.Length)
    , $packed
}
