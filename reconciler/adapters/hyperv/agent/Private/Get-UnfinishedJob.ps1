function Get-UnfinishedJob {
    # What Hyper-V is doing with a machine.
    param([object] $System)
    foreach ($job in @(Get-CimAssociatedInstance -InputObject $System -Association 'Msvm_AffectedJobElement' -ResultClassName 'Msvm_ConcreteJob')) {
        $state = ConvertTo-JobStateName -JobState $job.JobState
        if (-not (Test-OperationEnded -State $state)) {
            [pscustomobject] @{ JobType = [int] $job.JobType; JobState = $state }
        }
    }
}
