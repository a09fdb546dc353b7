function Get-MachineVersion {
    # The configuration version of a machine; where the cmdlet does not show it, its settings do.
    param([object] $VM)
    if ($VM.PSObject.Properties['Version']) {
        return "$($VM.Version)"
    }
    $settings = @(Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemSettingData' -Filter ("VirtualSystemIdentifier='{0}' AND VirtualSystemType='Microsoft:Hyper-V:System:Realized'" -f "$($VM.Id)".ToUpperInvariant()))
    if ($settings.Count -eq 0) {
        return ''
    }
    "$($settings[0].Version)"
}
