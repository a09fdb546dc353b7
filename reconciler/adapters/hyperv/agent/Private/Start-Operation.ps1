function Start-Operation {
    # Begin what a request asks for, or tell how far it is when it has begun already.
    # The block gives the method of Hyper-V to call, as a table, or nothing if all is done; where
    # this Hyper-V has no such method, the answer of one that cannot do it. Where commands do it, it
    # gives a deed: a block that gets the entry, and is run like a method.
    # AnyMachine: the block finds out for itself whether its machine is here.
    param(
        [System.Management.Automation.PSCmdlet] $Cmdlet,
        [object] $Entry,
        [scriptblock] $Method,
        [switch] $AnyMachine
    )
    Use-Journal -ArgumentList $Cmdlet, $Entry, $Method, ([bool] $AnyMachine) -Block {
        param($Entries, $Cmdlet, $Entry, $Method, $AnyMachine)
        if ($Entries.Contains($Entry.RequestId)) {
            return ConvertTo-Operation -Entry $Entries[$Entry.RequestId]
        }
        if (-not $AnyMachine) {
            Confirm-VM -Cmdlet $Cmdlet -VMId $Entry.VMId
        }
        foreach ($other in @($Entries.Values | Where-Object { $Entry.VMId -and $_.VMId -eq $Entry.VMId })) {
            Update-Operation -Entry $other
            if (-not (Test-OperationEnded -State $other.State)) {
                Stop-Call -Cmdlet $Cmdlet -ErrorId 'MachineBusy' -Category 'ResourceBusy' -Target $Entry.VMId -Message ("'{0}' is busy with {1}" -f $Entry.VMId, $other.Function)
            }
        }
        $call = & $Method $Cmdlet $Entry
        if ($null -eq $call) {
            $answer = [pscustomobject] @{ ReturnValue = 0 }
        }
        elseif ($call.ContainsKey('ReturnValue')) {
            $answer = [pscustomobject] $call
        }
        else {
            # Kept before it begins: after a kill in between, what is there tells whether it has.
            $Entries[$Entry.RequestId] = $Entry
            Save-Journal -Path (Get-JournalPath) -Text (ConvertTo-JournalText -Entries $Entries)
            $answer = if ($call.ContainsKey('Deed')) { Invoke-Deed -Entry $Entry -Deed $call.Deed } else { Invoke-CimMethod @call }
        }
        Set-OperationBegun -Cmdlet $Cmdlet -Entry $Entry -Answer $answer -Entries $Entries
        $Entries[$Entry.RequestId] = $Entry
        ConvertTo-Operation -Entry $Entry
    }
}
