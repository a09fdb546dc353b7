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
        $snapshot = Find-RecoverySnapshot -Cmdlet $Cmdlet -Entry $Entry
        if (-not (Test-VirtualizationClass -ClassName 'Msvm_VirtualSystemReferencePoint')) {
            return @{ ReturnValue = $script:NotSupported }
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
