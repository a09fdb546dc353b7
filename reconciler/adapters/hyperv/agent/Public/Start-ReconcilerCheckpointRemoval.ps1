function Start-ReconcilerCheckpointRemoval {
    <#
    .SYNOPSIS
    Remove a recovery checkpoint; its differencing disks merge.
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
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $CheckpointId
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerCheckpointRemoval' -VMId $VMId -More @{ Target = $CheckpointId }
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -Method {
        param($Cmdlet, $Entry)
        $snapshot = Find-RecoverySnapshot -Cmdlet $Cmdlet -Entry $Entry
        @{
            InputObject = Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemSnapshotService'
            MethodName = 'DestroySnapshot'
            Arguments = @{
                AffectedSnapshot = $snapshot
            }
        }
    }
}
