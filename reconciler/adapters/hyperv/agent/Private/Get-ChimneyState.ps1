function Get-ChimneyState {
    # Whether TCP connections are offloaded; empty where Windows knows nothing of it any more.
    if (-not $script:Feature['NetTCPIP']) {
        return ''
    }
    $setting = Get-NetOffloadGlobalSetting
    if ($null -eq $setting -or $null -eq $setting.PSObject.Properties['Chimney']) {
        return ''
    }
    "$($setting.Chimney)"
}
