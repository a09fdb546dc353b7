function Get-RecoverySnapshot {
    # The settings of a machine's recovery checkpoints.
    param([string] $VMId)
    Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemSettingData' -Filter ("VirtualSystemIdentifier='{0}' AND VirtualSystemType='Microsoft:Hyper-V:Snapshot:Recovery'" -f $VMId.ToUpperInvariant())
}
