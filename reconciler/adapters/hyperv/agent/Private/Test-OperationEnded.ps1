function Test-OperationEnded {
    # Whether a state is a last one.
    param([string] $State)
    $State -in 'Completed', 'CompletedWithWarnings', 'Terminated', 'Killed', 'Exception'
}
