function Test-ClusterNode {
    # Whether the host is a node of a failover cluster: its cluster service is not disabled then. A
    # node whose cluster does not answer is a failure, and no stand-alone host.
    if (-not $script:Feature['FailoverClusters']) {
        return $false
    }
    $service = Get-CimInstance -ClassName 'Win32_Service' -Filter "Name='ClusSvc'"
    $null -ne $service -and "$($service.StartMode)" -ne 'Disabled'
}
