function Get-ReconcilerOperation {
    <#
    .SYNOPSIS
    The state of an operation, after waiting a little for its end.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Operation')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $RequestId,

        [Parameter()]
        [ValidateRange(0, 15)]
        [int] $WaitSeconds
    )

    $limit = [datetime]::UtcNow.AddSeconds([System.Math]::Min($WaitSeconds, $script:MaximumWaitSeconds))
    while ($true) {
        # The journal is not held while nothing happens.
        $operation = Find-Operation -Cmdlet $PSCmdlet -RequestId $RequestId
        if ((Test-OperationEnded -State $operation.State) -or [datetime]::UtcNow -ge $limit) {
            return $operation
        }
        Start-Sleep -Milliseconds 100
    }
}
