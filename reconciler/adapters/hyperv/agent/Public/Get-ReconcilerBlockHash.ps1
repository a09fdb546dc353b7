function Get-ReconcilerBlockHash {
    <#
    .SYNOPSIS
    SHA-256 of each of some ranges of a virtual disk file.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.BlockHash')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidateLength(0, 32767)]
        [string] $Path,

        [Parameter(Mandatory = $true)]
        [ValidateCount(16, 65536)]
        [byte[]] $Ranges
    )

    $stream = Open-AgentFile -Cmdlet $PSCmdlet -Path $Path
    $sha256 = New-Sha256
    try {
        $pairs = ConvertFrom-PackedRange -Cmdlet $PSCmdlet -Ranges $Ranges -FileSize $stream.Length
        $hashes = New-Object -TypeName 'byte[]' -ArgumentList ($pairs.Length * 16)
        $buffer = New-Object -TypeName 'byte[]' -ArgumentList 1048576
        for ($index = 0; $index -lt $pairs.Length; $index += 2) {
            [void] $stream.Seek($pairs[$index], [System.IO.SeekOrigin]::Begin)
            $left = $pairs[$index + 1]
            while ($left -gt 0) {
                $part = [int] [System.Math]::Min($left, $buffer.Length)
                Read-Fully -Cmdlet $PSCmdlet -Stream $stream -Buffer $buffer -At 0 -Length $part
                [void] $sha256.TransformBlock($buffer, 0, $part, $null, 0)
                $left -= $part
            }
            [void] $sha256.TransformFinalBlock($buffer, 0, 0)
            [System.Buffer]::BlockCopy($sha256.Hash, 0, $hashes, $index * 16, 32)
            $sha256.Initialize()
        }
    }
    finally {
        $sha256.Dispose()
        $stream.Dispose()
    }
    [pscustomobject] @{ PSTypeName = 'Reconciler.BlockHash'; Hashes = [byte[]] $hashes }
}
