function ConvertTo-JobStateName {
    # JobState of Msvm_ConcreteJob, as a name.
    param([int] $JobState)
    $names = @{
        2 = 'New'; 3 = 'Starting'; 4 = 'Running'; 5 = 'Suspended'; 6 = 'ShuttingDown'
        7 = 'Completed'; 8 = 'Terminated'; 9 = 'Killed'; 10 = 'Exception'; 11 = 'Service'
        12 = 'QueryPending'; 32768 = 'CompletedWithWarnings'
    }
    if ($names.ContainsKey($JobState)) {
        return $names[$JobState]
    }
    "$JobState"
}
