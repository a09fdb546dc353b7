function Set-PlannedMachine {
    # Give a planned machine its disks, and take it off switches that are not here if that is wanted.
    param([object] $Entry)
    $wanted = @{}
    foreach ($disk in @($Entry.Given.Disk | ForEach-Object { ConvertFrom-DiskLine -Line $_ })) {
        if ($wanted.ContainsKey($disk.Slot)) {
            throw "two disks are for $($disk.Slot)"
        }
        $wanted[$disk.Slot] = $disk.Path
    }
    $settings = @()
    $had = @()
    $slots = Get-ControllerSlot -VM (Get-VM -Id $Entry.PlannedId)
    foreach ($id in @($slots.Keys)) {
        $drive = $slots[$id]
        if ($null -ne $drive.DiskNumber) {
            continue
        }
        $slot = '{0} {1}:{2}' -f "$($drive.ControllerType)", $drive.ControllerNumber, $drive.ControllerLocation
        $had += $slot
        foreach ($setting in @(Get-VirtualizationInstance -ClassName 'Msvm_StorageAllocationSettingData' -Filter ("InstanceID='{0}'" -f (ConvertTo-WqlText -Text $id)))) {
            $setting.HostResource = [string[]] @($wanted[$slot])
            $settings += ConvertTo-CimText -InputObject $setting
        }
    }
    if (@($had | Where-Object { -not $wanted.ContainsKey($_) }) -or $had.Count -ne $wanted.Count -or $settings.Count -ne $wanted.Count) {
        throw "the machine has disks at $(($had | Sort-Object) -join ', ')"
    }
    foreach ($connection in @(Get-LostConnection -Id $Entry.PlannedId)) {
        if ($Entry.Given.MissingSwitch -ne 'Disconnect') {
            $Entry.Incompatibilities = @('33012')
            throw "the switch '$($connection.LastKnownSwitchName)' is not here"
        }
        $connection.HostResource = [string[]] @()
        $connection.EnabledState = [uint16] 3
        $settings += ConvertTo-CimText -InputObject $connection
    }
    if ($settings.Count -eq 0) {
        return
    }
    $service = Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemManagementService'
    $answer = Invoke-CimMethod -InputObject $service -MethodName 'ModifyResourceSettings' -Arguments @{ ResourceSettings = [string[]] $settings }
    if (-not (Wait-VirtualizationJob -Answer $answer)) {
        throw "the machine does not take its disks: $($answer.ReturnValue)"
    }
}
