function Update-Operation {
    # See how far the job of an entry is, and end the entry with it.
    param([object] $Entry)
    if (Test-OperationEnded -State $Entry.State) {
        return
    }
    $job = Get-AgentJob -JobId $Entry.JobId
    if ($null -eq $job -and (Test-RoleChanging -Entry $Entry)) {
        $Entry.State = 'Running'
        return
    }
    if ($null -eq $job) {
        # Removed some minutes after its end: what it was to do tells whether it was done.
        Complete-Operation -Entry $Entry -Job $null -State 'Completed'
        return
    }
    $state = ConvertTo-JobStateName -JobState $job.JobState
    $Entry.PercentComplete = [int] $job.PercentComplete
    if ($state -in 'Completed', 'CompletedWithWarnings') {
        Complete-Operation -Entry $Entry -Job $job -State $state
        return
    }
    $Entry.State = $state
    if (Test-OperationEnded -State $state) {
        $Entry.ErrorCode = [long] $job.ErrorCode
        $Entry.ErrorDescription = "$($job.ErrorDescription)"
    }
}
