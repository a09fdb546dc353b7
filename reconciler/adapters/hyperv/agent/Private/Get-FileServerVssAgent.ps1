function Get-FileServerVssAgent {
    # InstallState of the File Server VSS Agent Service; empty on what is no server.
    if (-not $script:Feature['ServerManager']) {
        return ''
    }
    $feature = Get-WindowsFeature -Name 'FS-VSS-Agent' -ErrorAction SilentlyContinue
    if ($null -eq $feature) {
        return ''
    }
    "$($feature.InstallState)"
}
