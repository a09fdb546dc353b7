function Get-AgentReplication {
    # When Hyper-V Replica last received and last applied something for a machine.
    param([object] $VM)
    $told = @{ LastReplicationTime = $null; LastAppliedLogTime = $null }
    if ("$($VM.ReplicationMode)" -ne 'None') {
        foreach ($found in @(Get-VMReplication -VMName $VM.Name | Where-Object { $_.VMId -eq $VM.Id })) {
            foreach ($name in 'LastReplicationTime', 'LastAppliedLogTime') {
                $told[$name] = ConvertTo-UtcText -Time $found.$name
            }
        }
    }
    $told
}
