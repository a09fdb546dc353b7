function Start-ReconcilerConversion {
    <#
    .SYNOPSIS
    Turn a recovery checkpoint into a reference point; its differencing disks merge.
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

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerConversion' -VMId $VMId -More @{ Target = $CheckpointId }
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -Method {
        param($Cmdlet, $Entry)
        $snapshot = Get-RecoverySnapshot -VMId $Entry.VMId | Where-Object { $_.ConfigurationID -eq $Entry.Target }
        if ($null -eq $snapshot) {
            Stop-Call -Cmdlet $Cmdlet -ErrorId 'CheckpointNotFound' -Target $Entry.Target -Message ("'{0}' has no checkpoint {1}" -f $Entry.VMId, $Entry.Target)
        }
        $Entry.Before = @(Get-ReferencePoint -VMId $Entry.VMId | ForEach-Object { "$($_.InstanceID)" })
        @{
            InputObject = Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemSnapshotService'
            MethodName = 'ConvertToReferencePoint'
            Arguments = @{
                AffectedSnapshot = $snapshot
                ReferencePointSettings = ''
            }
        }
    }
}
