function Get-MachineGroup {
    # The groups of clustered machines: a machine is a resource with its id as a parameter.
    foreach ($resource in @(Get-ClusterResource | Where-Object { "$($_.ResourceType)" -eq 'Virtual Machine' })) {
        $id = "$((Get-ClusterParameter -InputObject $resource -Name 'VmID').Value)"
        $group = Get-ClusterGroup -Name "$($resource.OwnerGroup)"
        [pscustomobject] @{
            VMId = $id.ToLowerInvariant()
            OwnerNode = "$($group.OwnerNode.Name)".ToUpperInvariant()
            State = "$($group.State)"
        }
    }
}
