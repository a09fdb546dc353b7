function Get-ReconcilerCluster {
    <#
    .SYNOPSIS
    The failover cluster that the host is a node of; nothing on a stand-alone host.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Cluster')]
    param()

    if (-not (Test-ClusterNode)) {
        return
    }
    [pscustomobject] @{
        PSTypeName = 'Reconciler.Cluster'
        Name = "$((Get-Cluster).Name)"
        Nodes = [object[]] @(
            foreach ($node in @(Get-ClusterNode)) {
                [pscustomobject] @{ Name = "$($node.Name)".ToUpperInvariant(); State = "$($node.State)" }
            }
        )
        Groups = [object[]] @(Get-MachineGroup)
    }
}
