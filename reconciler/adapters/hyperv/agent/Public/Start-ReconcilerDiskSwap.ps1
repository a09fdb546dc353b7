function Start-ReconcilerDiskSwap {
    <#
    .SYNOPSIS
    Rename a disk file of a machine that is off, put another in its place, or undo that.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Operation')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $RequestId,

        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $VMId,

        [Parameter(Mandatory = $true)]
        [ValidateLength(0, 32000)]
        [string] $Path,

        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $Mark,

        [Parameter(Mandatory = $true)]
        [ValidateSet('Aside', 'Place', 'Withdraw', 'Back', 'DeleteOld', 'DeleteNew')]
        [string] $Change
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerDiskSwap' -VMId $VMId -More @{
        Target = $Change
        Given = [pscustomobject] @{ Path = $Path; Mark = $Mark }
    }
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -AnyMachine -Method {
        param($Cmdlet, $Entry, $Entries)
        Confirm-Swap -Cmdlet $Cmdlet -Entry $Entry -Entries $Entries
        @{ Deed = { param($Entry) Move-SwapFile -Entry $Entry } }
    }
}
