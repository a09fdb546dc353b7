function ConvertFrom-PackedRange {
    # Offset and length pairs, each a long; ranges that are empty or end past the file end the call.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [byte[]] $Ranges, [long] $FileSize)
    $count = $Ranges.Length / 16
    if ($Ranges.Length % 16 -ne 0 -or $count -lt 1 -or $count -gt $script:MaximumRanges) {
        Stop-RangeCall -Cmdlet $Cmdlet -Message "$($Ranges.Length) bytes are not 1 to $($script:MaximumRanges) whole pairs of 16"
    }
    $pairs = New-Object -TypeName 'long[]' -ArgumentList ([int] ($count * 2))
    [System.Buffer]::BlockCopy($Ranges, 0, $pairs, 0, $Ranges.Length)
    for ($index = 0; $index -lt $pairs.Length; $index += 2) {
        $offset = $pairs[$index]
        $length = $pairs[$index + 1]
        # Unsigned numbers of 2^63 and more are negative longs; so compared, no sum overflows.
        if ($offset -lt 0 -or $length -le 0 -or $offset -gt $FileSize -or $length -gt $FileSize - $offset) {
            Stop-RangeCall -Cmdlet $Cmdlet -Message "the range of $length bytes at $offset is not within $FileSize bytes"
        }
    }
    , $pairs
}
