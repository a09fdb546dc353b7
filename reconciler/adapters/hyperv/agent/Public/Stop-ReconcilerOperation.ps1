function Stop-ReconcilerOperation {
    <#
    .SYNOPSIS
    Ask a running operation to end; one that has ended stays as it is.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Operation')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $RequestId
    )

    Find-Operation -Cmdlet $PSCmdlet -RequestId $RequestId -Stop
}
