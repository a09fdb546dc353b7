function Set-OperationBegun {
    # Note what became of the method's call: its job, its end, or that the machine is busy.
    # Source of the codes: CreateSnapshot of Msvm_VirtualSystemSnapshotService, 32774 system in
    # use, 32775 invalid state.
    param(
        [System.Management.Automation.PSCmdlet] $Cmdlet,
        [object] $Entry,
        [object] $Answer,
        [System.Collections.IDictionary] $Entries
    )
    $code = [long] $Answer.ReturnValue
    if ($code -in 32774, 32775) {
        $Entries.Remove($Entry.RequestId)
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'MachineBusy' -Category 'ResourceBusy' -Target $Entry.VMId -Message ("Hyper-V does not begin {0} of '{1}' now: code {2}" -f $Entry.Function, $Entry.VMId, $code)
    }
    if ($code -eq 4096) {
        $Entry.JobId = "$($Answer.Job.InstanceID)"
    }
    elseif ($code -eq 0) {
        Complete-Operation -Entry $Entry -Job $null -State 'Completed'
    }
    else {
        $Entry.State = 'Exception'
        $Entry.ErrorCode = $code
        if (-not $Entry.ErrorDescription) {
            $Entry.ErrorDescription = "the method answered $code"
        }
    }
}
