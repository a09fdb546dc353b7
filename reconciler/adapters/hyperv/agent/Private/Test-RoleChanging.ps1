function Test-RoleChanging {
    # Whether the cluster is at what an entry asked of it.
    param([object] $Entry)
    if ($Entry.Function -ne 'Start-ReconcilerClusterChange') {
        return $false
    }
    [bool] @(Get-MachineResource -VMId $Entry.VMId | Where-Object { "$($_.State)" -like '*Pending' })
}
