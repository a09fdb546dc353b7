function Find-Operation {
    # An operation as it is now; an unknown one ends the call.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string] $RequestId, [switch] $Stop)
    Use-Journal -ArgumentList $Cmdlet, $RequestId, ([bool] $Stop) -Block {
        param($Entries, $Cmdlet, $RequestId, $Stop)
        if (-not $Entries.Contains($RequestId)) {
            Stop-Call -Cmdlet $Cmdlet -ErrorId 'OperationNotFound' -Target $RequestId -Message "no operation has the request id $RequestId"
        }
        $entry = $Entries[$RequestId]
        Update-Operation -Entry $entry
        if ($Stop -and -not (Test-OperationEnded -State $entry.State)) {
            $job = Get-AgentJob -JobId $entry.JobId
            # 4 is terminate; whether a job can be is its own affair, and told by its state.
            if ($null -ne $job) {
                [void] (Invoke-CimMethod -InputObject $job -MethodName 'RequestStateChange' -Arguments @{ RequestedState = [uint16] 4 })
            }
            Update-Operation -Entry $entry
        }
        ConvertTo-Operation -Entry $entry
    }
}
