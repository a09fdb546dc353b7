function Set-Role {
    # Make one change of a machine's role. The cluster goes on by itself; how far it is, the states
    # of the resources tell. A machine depends on its configuration: whoever stops this stops the
    # machine first, and whoever starts the machine starts this first.
    param([object] $Entry)
    $id = $Entry.VMId
    switch ($Entry.Target) {
        'AddRole' {
            [void] (Add-ClusterVirtualMachineRole -VMId $id)
        }
        'UpdateConfiguration' {
            [void] (Update-ClusterVirtualMachineConfiguration -VMId $id)
        }
        'TakeOffline' {
            foreach ($resource in @(Get-MachineResource -VMId $id | Where-Object { "$($_.ResourceType)" -ne 'Virtual Machine' })) {
                [void] (Stop-ClusterResource -InputObject $resource -Wait 0)
            }
        }
        'BringOnline' {
            foreach ($resource in @(Get-MachineResource -VMId $id | Where-Object { "$($_.ResourceType)" -eq 'Virtual Machine' })) {
                [void] (Start-ClusterResource -InputObject $resource -Wait 0)
            }
        }
    }
    # As a job that began; it has no id.
    [pscustomobject] @{ ReturnValue = 4096; Job = [pscustomobject] @{ InstanceID = '' } }
}
