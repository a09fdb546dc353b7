function Start-ReconcilerUserCheckpointRemoval {
    <#
    .SYNOPSIS
    Remove the user's own checkpoints of a machine; their differencing disks merge.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Operation')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $RequestId,

        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $VMId
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerUserCheckpointRemoval' -VMId $VMId
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -Method {
        param($Cmdlet, $Entry)
        # One after the other: done again after a kill, it removes those that are left.
        foreach ($snapshot in @(Get-VMSnapshot -VM (Get-VM -Id $Entry.VMId) -SnapshotType 'Standard')) {
            Remove-VMSnapshot -VMSnapshot $snapshot -Confirm:$false
        }
    }
}
