function Get-ReconcilerHost {
    <#
    .SYNOPSIS
    The host and its agent.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Host')]
    param()

    $system = Get-CimInstance -ClassName 'Win32_OperatingSystem'
    [pscustomobject] @{
        PSTypeName = 'Reconciler.Host'
        ComputerName = "$($system.CSName)".ToUpperInvariant()
        OSBuild = [int] $system.BuildNumber
        AgentVersion = $script:AgentVersion
        ContractVersion = [int] $script:ContractVersion
        LastBootUpTime = ConvertTo-UtcText -Time $system.LastBootUpTime
        ClusterName = if (Test-ClusterNode) { "$((Get-Cluster).Name)" } else { '' }
    }
}
