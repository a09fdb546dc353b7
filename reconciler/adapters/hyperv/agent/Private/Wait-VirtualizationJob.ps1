function Wait-VirtualizationJob {
    # Wait for the short job of a method to end; true if it succeeded in time.
    param([object] $Answer, [int] $Seconds = 15)
    if ($Answer.ReturnValue -eq 0) {
        return $true
    }
    if ($Answer.ReturnValue -ne 4096) {
        return $false
    }
    $limit = [datetime]::UtcNow.AddSeconds($Seconds)
    while ($true) {
        $job = Get-AgentJob -JobId $Answer.Job.InstanceID
        if ($null -eq $job) {
            return $false
        }
        $state = ConvertTo-JobStateName -JobState $job.JobState
        if (Test-OperationEnded -State $state) {
            return $state -in 'Completed', 'CompletedWithWarnings'
        }
        if ([datetime]::UtcNow -ge $limit) {
            return $false
        }
        Start-Sleep -Milliseconds 50
    }
}
