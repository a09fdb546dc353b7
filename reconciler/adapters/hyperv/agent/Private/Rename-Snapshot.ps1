function Rename-Snapshot {
    # Give a checkpoint its name; empty, or why it has none.
    param([object] $Snapshot, [string] $ElementName)
    $Snapshot.ElementName = $ElementName
    $service = Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemManagementService'
    $answer = Invoke-CimMethod -InputObject $service -MethodName 'ModifySystemSettings' -Arguments @{ SystemSettings = ConvertTo-CimText -InputObject $Snapshot }
    if (Wait-VirtualizationJob -Answer $answer) {
        return ''
    }
    "the checkpoint could not be named: $($answer.ReturnValue)"
}
