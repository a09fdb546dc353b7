function Read-ReconcilerFile {
    <#
    .SYNOPSIS
    Ranges of a virtual disk file, joined; at most 4 MiB in all.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.FileBytes')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidateLength(0, 32767)]
        [string] $Path,

        [Parameter(Mandatory = $true)]
        [ValidateCount(16, 65536)]
        [byte[]] $Ranges
    )

    $stream = Open-AgentFile -Cmdlet $PSCmdlet -Path $Path
    try {
        $size = [long] $stream.Length
        $pairs = ConvertFrom-PackedRange -Cmdlet $PSCmdlet -Ranges $Ranges -FileSize $size
        $total = [long] 0
        for ($index = 1; $index -lt $pairs.Length; $index += 2) {
            $total += [System.Math]::Min($pairs[$index], $script:MaximumReadBytes + 1)
        }
        if ($total -gt $script:MaximumReadBytes) {
            Stop-RangeCall -Cmdlet $PSCmdlet -Message "more than $($script:MaximumReadBytes) bytes in one read"
        }
        $data = New-Object -TypeName 'byte[]' -ArgumentList ([int] $total)
        $at = 0
        for ($index = 0; $index -lt $pairs.Length; $index += 2) {
            [void] $stream.Seek($pairs[$index], [System.IO.SeekOrigin]::Begin)
            Read-Fully -Cmdlet $PSCmdlet -Stream $stream -Buffer $data -At $at -Length $pairs[$index + 1]
            $at += $pairs[$index + 1]
        }
    }
    finally {
        $stream.Dispose()
    }
    [pscustomobject] @{ PSTypeName = 'Reconciler.FileBytes'; FileSize = $size; Data = [byte[]] $data }
}
