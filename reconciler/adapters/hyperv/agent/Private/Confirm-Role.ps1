function Confirm-Role {
    # End the call unless the cluster's role of a machine can be changed here; its group, if it has one.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [object] $Entry)
    $id = $Entry.VMId
    $isNode = Test-ClusterNode
    $group = if ($isNode) { Get-MachineGroup | Where-Object { $_.VMId -eq $id } } else { $null }
    # A machine whose configuration is off line may be unknown to Hyper-V.
    if ($null -eq $group -or $group.OwnerNode -ne $env:COMPUTERNAME) {
        Confirm-VM -Cmdlet $Cmdlet -VMId $id
    }
    if (-not $isNode) {
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'NotClustered' -Target $id -Message 'this host is no node of a cluster'
    }
    if ($null -ne $group -and $group.OwnerNode -ne $env:COMPUTERNAME) {
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'ClusterRefused' -Target $id -Message ("the group of '{0}' is on {1}" -f $id, $group.OwnerNode)
    }
    if ($null -eq $group -and $Entry.Target -ne 'AddRole') {
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'ClusterGroupNotFound' -Target $id -Message ("'{0}' has no group on the cluster" -f $id)
    }
    if ($Entry.Target -eq 'AddRole') {
        foreach ($path in @(Get-MachineDiskPath -VM (Get-VM -Id $id))) {
            if (-not (Test-SharedPath -Path $path)) {
                Stop-Call -Cmdlet $Cmdlet -ErrorId 'ClusterRefused' -Target $id -Message "$path is on no cluster shared volume"
            }
        }
    }
    $group
}
