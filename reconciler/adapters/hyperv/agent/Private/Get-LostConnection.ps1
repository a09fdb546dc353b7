function Get-LostConnection {
    # The connections of a planned machine to switches that are not here. Hyper-V names this 33012
    # when it compares a machine with a host.
    param([string] $Id)
    $switches = @(Get-VirtualizationInstance -ClassName 'Msvm_VirtualEthernetSwitch' | ForEach-Object { "$($_.Name)" })
    $own = 'Microsoft:{0}\' -f $Id
    foreach ($connection in @(Get-VirtualizationInstance -ClassName 'Msvm_EthernetPortAllocationSettingData')) {
        # 2 is connected; a pool chooses its switch by itself.
        $isOwn = "$($connection.InstanceID)".StartsWith($own, [System.StringComparison]::OrdinalIgnoreCase)
        if (-not $isOwn -or [int] $connection.EnabledState -ne 2 -or "$($connection.PoolID)") {
            continue
        }
        $there = "$($connection.HostResource)"
        if (-not @($switches | Where-Object { $there.IndexOf($_, [System.StringComparison]::OrdinalIgnoreCase) -ge 0 })) {
            $connection
        }
    }
}
