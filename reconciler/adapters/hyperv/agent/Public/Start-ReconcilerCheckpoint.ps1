function Start-ReconcilerCheckpoint {
    <#
    .SYNOPSIS
    Begin a recovery checkpoint.
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
        [ValidateSet('Application', 'Crash')]
        [string] $ConsistencyLevel,

        [Parameter(Mandatory = $true)]
        [ValidateLength(0, 200)]
        [string] $ElementName
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerCheckpoint' -VMId $VMId -More @{
        ElementName = $ElementName
        Target = $ConsistencyLevel
    }
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -Method {
        param($Cmdlet, $Entry)
        $hasSettings = Test-VirtualizationClass -ClassName 'Msvm_VirtualSystemSnapshotSettingData'
        if (-not $hasSettings -and $Entry.Target -ne 'Crash') {
            return @{ ReturnValue = $script:NotSupported }
        }
        $Entry.Before = @(Get-RecoverySnapshot -VMId $Entry.VMId | ForEach-Object { "$($_.ConfigurationID)" })
        @{
            InputObject = Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemSnapshotService'
            MethodName = 'CreateSnapshot'
            Arguments = @{
                AffectedSystem = Get-MachineSystem -VMId $Entry.VMId
                SnapshotSettings = if ($hasSettings) { New-SnapshotSetting -ConsistencyLevel $Entry.Target } else { '' }
                SnapshotType = [uint16] 32768
            }
        }
    }
}
