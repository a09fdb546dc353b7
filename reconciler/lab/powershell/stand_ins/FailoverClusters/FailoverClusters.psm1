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
    [pscustomobject] @{ PSTypeName = 'Microsoft.FailoverClusters.PowerShell.ClusterResource'; Name = 'Cluster IP Address'; ResourceType = 'IP Address'; OwnerGroup = 'Cluster Group'; State = 'Online' }
    $pending = Invoke-Lab -Operation 'powershell_roles'
    foreach ($group in @((Get-LabCluster).Groups)) {
        foreach ($type in 'Virtual Machine', 'Virtual Machine Configuration') {
            $changing = $pending.PSObject.Properties[$group.VMId]
            [pscustomobject] @{
                PSTypeName = 'Microsoft.FailoverClusters.PowerShell.ClusterResource'
                Name = "$type $($group.VMId)"
                ResourceType = $type
                OwnerGroup = "group of $($group.VMId)"
                State = if ($null -ne $changing) { $changing.Value } else { $group.State }
            }
        }
    }
}

function Start-Change {
    # Begin what the cluster does with a machine; its request in the lab.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string] $VMId, [string] $Change)
    $begun = Invoke-Lab -Operation 'powershell_start' -Arguments @{ function = 'Start-ReconcilerClusterChange'; arguments = @{ VMId = $VMId.ToLowerInvariant(); Change = $Change } }
    if (Test-Refused -Answer $begun) {
        Write-StandInError -Cmdlet $Cmdlet -ErrorId $begun.refused -Message $begun.text
        return
    }
    @($begun)[0].RequestId
}

function Wait-Change {
    param([string] $Request)
    if ($Request) {
        [void] (Invoke-Lab -Operation 'powershell_job' -Arguments @{ RequestId = $Request; WaitSeconds = 15 })
    }
}

function Stop-ClusterResource {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, ValueFromPipeline = $true)] [object] $InputObject, [Parameter(Mandatory = $true)] [ValidateRange(0, 0)] [int] $Wait)
    if ($InputObject.State -ne 'Offline') {
        [void] (Start-Change -Cmdlet $PSCmdlet -VMId ($InputObject.Name -split ' ')[-1] -Change 'TakeOffline')
    }
    $InputObject
}

function Start-ClusterResource {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, ValueFromPipeline = $true)] [object] $InputObject, [Parameter(Mandatory = $true)] [ValidateRange(0, 0)] [int] $Wait)
    if ($InputObject.State -ne 'Online') {
        [void] (Start-Change -Cmdlet $PSCmdlet -VMId ($InputObject.Name -split ' ')[-1] -Change 'BringOnline')
    }
    $InputObject
}

function Add-ClusterVirtualMachineRole {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [guid] $VMId)
    if (@((Get-LabCluster).Groups | Where-Object { [guid] $_.VMId -eq $VMId })) {
        Write-StandInError -Cmdlet $PSCmdlet -ErrorId 'ResourceExists' -Message 'The virtual machine is clustered already.'
        return
    }
    Wait-Change -Request (Start-Change -Cmdlet $PSCmdlet -VMId "$VMId" -Change 'AddRole')
}

function Update-ClusterVirtualMachineConfiguration {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [guid] $VMId)
    Wait-Change -Request (Start-Change -Cmdlet $PSCmdlet -VMId "$VMId" -Change 'UpdateConfiguration')
}

function Get-ClusterParameter {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, ValueFromPipeline = $true)] [object] $InputObject, [string] $Name)
    if ($Name -ne 'VmID' -or $InputObject.ResourceType -notin 'Virtual Machine', 'Virtual Machine Configuration') {
        throw "Unable to find parameter '$Name'."
    }
    [pscustomobject] @{
        PSTypeName = 'Microsoft.FailoverClusters.PowerShell.ClusterParameter'
        Name = 'VmID'
        Value = ($InputObject.Name -split ' ')[-1]
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

Export-ModuleMember -Function Get-Cluster, Get-ClusterNode, Get-ClusterResource, Get-ClusterParameter, Get-ClusterGroup, Get-ClusterSharedVolume, Stop-ClusterResource, Start-ClusterResource, Add-ClusterVirtualMachineRole, Update-ClusterVirtualMachineConfiguration
