function Step-Import {
    # Take an import on: the planned machine of the configuration is given its disks, is validated,
    # and becomes a machine. Each step is a job of Hyper-V; the entry says which one is under way.
    # What has become a machine is never undone; before that, a failure removes the planned one.
    param([object] $Entry, [object] $Job, [bool] $IsDone)
    try {
        if ($Entry.PlannedId -and $null -ne (Get-MachineSystem -VMId $Entry.PlannedId)) {
            $Entry.MadeVMId = $Entry.PlannedId
            $Entry.State = 'Completed'
            $Entry.PercentComplete = 100
            return
        }
        if ($Entry.IsStopped -and $Entry.Step -ne 'Realize') {
            $Entry.State = 'Terminated'
            $Entry.ErrorDescription = 'it was asked to stop'
            Remove-PlannedMachine -Entry $Entry -Job $Job
            return
        }
        switch ($Entry.Step) {
            'Define' {
                Find-PlannedMachine -Entry $Entry -Job $Job
                Set-PlannedMachine -Entry $Entry
                Start-ImportStep -Entry $Entry -Step 'Validate' -MethodName 'ValidatePlannedSystem'
            }
            'Validate' {
                # A job that nobody saw the end of tells nothing: once more.
                $next = if ($IsDone) { 'Realize' } else { 'Validate' }
                Start-ImportStep -Entry $Entry -Step $next -MethodName "$($next)PlannedSystem"
            }
            'Realize' {
                throw 'the machine is not there'
            }
        }
    }
    catch {
        $Entry.State = 'Exception'
        $Entry.ErrorCode = [long] 32768
        $Entry.ErrorDescription = "$($_.Exception.Message)"
        Remove-PlannedMachine -Entry $Entry -Job $null
    }
}
