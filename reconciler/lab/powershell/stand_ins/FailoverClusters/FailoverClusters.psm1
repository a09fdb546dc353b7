# Stand-ins for commands of the FailoverClusters module. Names from hyperv-facts.md section 3.2.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function Get-LabCluster {
    $found = @(Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerCluster'; arguments = @{} } | ForEach-Object { $_ })
    if (-not $found) {
        throw 'The cluster service is not running. Make sure that the service is running on all nodes in the cluster.'
    }
    $found[0]
}

function Get-Cluster {
    [CmdletBinding()]
    param()
    [pscustomobject] @{ PSTypeName = 'Microsoft.FailoverClusters.PowerShell.Cluster'; Name = (Get-LabCluster).Name }
}

function Get-ClusterNode {
    [CmdletBinding()]
    param()
    foreach ($node in @((Get-LabCluster).Nodes)) {
        [pscustomobject] @{ PSTypeName = 'Microsoft.FailoverClusters.PowerShell.ClusterNode'; Name = $node.Name.ToLowerInvariant(); State = $node.State }
    }
}

function Get-ClusterResource {
    [CmdletBinding()]
    param()
    [pscustomobject] @{ PSTypeName = 'Microsoft.FailoverClusters.PowerShell.ClusterResource'; Name = 'Cluster IP Address'; ResourceType = 'IP Address'; OwnerGroup = 'Cluster Group' }
    foreach ($group in @((Get-LabCluster).Groups)) {
        [pscustomobject] @{
            PSTypeName = 'Microsoft.FailoverClusters.PowerShell.ClusterResource'
            Name = "Virtual Machine $($group.VMId)"
            ResourceType = 'Virtual Machine'
            OwnerGroup = "group of $($group.VMId)"
        }
    }
}

function Get-ClusterParameter {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, ValueFromPipeline = $true)] [object] $InputObject, [string] $Name)
    if ($Name -ne 'VmID' -or $InputObject.ResourceType -ne 'Virtual Machine') {
        throw "Unable to find parameter '$Name'."
    }
    [pscustomobject] @{
        PSTypeName = 'Microsoft.FailoverClusters.PowerShell.ClusterParameter'
        Name = 'VmID'
        Value = $InputObject.Name.Substring('Virtual Machine '.Length)
    }
}

function Get-ClusterGroup {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [string] $Name)
    foreach ($group in @((Get-LabCluster).Groups | Where-Object { "group of $($_.VMId)" -eq $Name })) {
        [pscustomobject] @{
            PSTypeName = 'Microsoft.FailoverClusters.PowerShell.ClusterGroup'
            Name = $Name
            GroupType = 'VirtualMachine'
            OwnerNode = [pscustomobject] @{ Name = $group.OwnerNode.ToLowerInvariant() }
            State = $group.State
        }
    }
}

function Get-ClusterSharedVolume {
    [CmdletBinding()]
    param()
    foreach ($volume in @(Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerVolume'; arguments = @{} } | ForEach-Object { $_ } | Where-Object { $_.IsClusterShared })) {
        [pscustomobject] @{
            PSTypeName = 'Microsoft.FailoverClusters.PowerShell.ClusterSharedVolume'
            Name = "Cluster Disk $($volume.Path)"
            State = 'Online'
            SharedVolumeInfo = @(
                [pscustomobject] @{
                    FriendlyVolumeName = $volume.Path.TrimEnd('\')
                    Partition = [pscustomobject] @{ Size = [long] $volume.Size; FreeSpace = [long] $volume.SizeRemaining }
                }
            )
        }
    }
}

Export-ModuleMember -Function Get-Cluster, Get-ClusterNode, Get-ClusterResource, Get-ClusterParameter, Get-ClusterGroup, Get-ClusterSharedVolume
