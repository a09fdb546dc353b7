function ConvertTo-Operation {
    # What a caller is told of a journal entry.
    param([object] $Entry)
    [pscustomobject] @{
        PSTypeName = 'Reconciler.Operation'
        RequestId = "$($Entry.RequestId)"
        State = "$($Entry.State)"
        PercentComplete = [int] $Entry.PercentComplete
        ErrorCode = [long] $Entry.ErrorCode
        ErrorDescription = "$($Entry.ErrorDescription)"
        CheckpointId = $Entry.CheckpointId
        ReferencePointId = $Entry.ReferencePointId
        MadeVMId = $Entry.MadeVMId
        Incompatibilities = [string[]] @($Entry.Incompatibilities)
    }
}
