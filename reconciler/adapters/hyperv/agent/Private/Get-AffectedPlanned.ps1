function Get-AffectedPlanned {
    # The id of the planned machine that a job is about; empty if it is about none.
    param([object] $Job)
    foreach ($system in @(Get-CimAssociatedInstance -InputObject $Job -Association 'Msvm_AffectedJobElement' -ResultClassName 'Msvm_PlannedComputerSystem')) {
        return "$($system.Name)".ToLowerInvariant()
    }
    ''
}
