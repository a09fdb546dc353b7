function Start-ImportStep {
    # Begin the next step of an import.
    param([object] $Entry, [string] $Step, [string] $MethodName)
    $answer = Invoke-CimMethod -InputObject (Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemManagementService') -MethodName $MethodName -Arguments @{
        PlannedSystem = Get-PlannedSystem -Id $Entry.PlannedId
    }
    $code = [long] $answer.ReturnValue
    if ($code -notin 0, 4096) {
        throw "$MethodName answered $code"
    }
    $Entry.Step = $Step
    $Entry.State = 'Running'
    $Entry.JobId = ''
    if ($code -eq 4096) {
        $Entry.JobId = "$($answer.Job.InstanceID)"
    }
    else {
        Step-Import -Entry $Entry -Job $null -IsDone $true
    }
}
