function Get-RoleFailure {
    # Why a change of a machine's role was not made; empty if it was.
    param([object] $Entry)
    $resources = @(Get-MachineResource -VMId $Entry.VMId)
    $others = switch ($Entry.Target) {
        'TakeOffline' { @($resources | Where-Object { "$($_.State)" -ne 'Offline' }) }
        'BringOnline' { @($resources | Where-Object { "$($_.State)" -ne 'Online' }) }
        default { @() }
    }
    if ($resources.Count -eq 0) {
        return 'the cluster has no resource of the machine'
    }
    foreach ($resource in @($others)) {
        return ("'{0}' is {1}" -f $resource.Name, $resource.State)
    }
    ''
}
