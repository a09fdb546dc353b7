function Get-MachineResource {
    # What the cluster has of a machine: the machine, and its configuration.
    param([string] $VMId)
    foreach ($resource in @(Get-ClusterResource)) {
        if ("$($resource.ResourceType)" -notin 'Virtual Machine', 'Virtual Machine Configuration') {
            continue
        }
        if ("$((Get-ClusterParameter -InputObject $resource -Name 'VmID').Value)" -eq $VMId) {
            $resource
        }
    }
}
