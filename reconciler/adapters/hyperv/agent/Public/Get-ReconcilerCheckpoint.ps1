function Get-ReconcilerCheckpoint {
    <#
    .SYNOPSIS
    The recovery checkpoints of the host's machines, whoever made them.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Checkpoint')]
    param(
        [Parameter()]
        [ValidateCount(0, 5000)]
        [string[]] $VMId
    )

    Complete-Pending
    Invoke-Again -ArgumentList $PSCmdlet, $VMId -Block {
        param($Cmdlet, $VMId)
        foreach ($vm in @(Get-AgentVM -Cmdlet $Cmdlet -VMId $VMId)) {
            foreach ($snapshot in @(Get-VMSnapshot -VM $vm -SnapshotType Recovery)) {
                [pscustomobject] @{
                    PSTypeName = 'Reconciler.Checkpoint'
                    CheckpointId = "$($snapshot.Id)".ToLowerInvariant()
                    VMId = "$($snapshot.VMId)".ToLowerInvariant()
                    ElementName = "$($snapshot.Name)"
                    CreationTime = ConvertTo-UtcText -Time $snapshot.CreationTime
                    HardDrives = [object[]] @($snapshot.HardDrives | ForEach-Object { ConvertTo-HardDrive -Drive $_ })
                }
            }
        }
    }
}
