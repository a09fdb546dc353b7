function New-JournalEntry {
    # A request that is about to be carried out.
    param([string] $RequestId, [string] $Function, [string] $VMId, [hashtable] $More = @{})
    $entry = [ordered] @{
        RequestId = $RequestId
        Function = $Function
        VMId = $VMId
        JobId = ''
        State = 'Starting'
        PercentComplete = 0
        ErrorCode = [long] 0
        ErrorDescription = ''
        CheckpointId = $null
        ReferencePointId = $null
        MadeVMId = $null
        Incompatibilities = @()
        Target = ''
        ElementName = ''
        Before = @()
        Files = @()
        Step = ''
        PlannedId = ''
        Given = $null
    }
    foreach ($name in $More.Keys) {
        $entry[$name] = $More[$name]
    }
    [pscustomobject] $entry
}
