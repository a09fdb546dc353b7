function Get-ReconcilerRequirement {
    <#
    .SYNOPSIS
    What backups need of the computer, and of the shares that are named.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Requirement')]
    param(
        [Parameter()]
        [ValidateCount(0, 100)]
        [string[]] $Share
    )

    $named = @($Share | Where-Object { $_ })
    [pscustomobject] @{
        PSTypeName = 'Reconciler.Requirement'
        VssProviderTypes = [string[]] @(Get-VssProviderType)
        NoAutoMount = [long] (Get-RegistryValue -Key 'SYSTEM\CurrentControlSet\Services\mountmgr' -Name 'NoAutoMount')
        Chimney = Get-ChimneyState
        IntegrationServicesVersion = "$(Get-RegistryValue -Key 'SOFTWARE\Microsoft\Windows NT\CurrentVersion\Virtualization\GuestInstaller\Version' -Name 'Microsoft-Hyper-V-Guest-Installer-Win6x-Package' -IsText)"
        FileServerVssAgent = if ($named.Count -gt 0) { Get-FileServerVssAgent } else { '' }
        Machines = [object[]] @(Get-MachineRequirement -Cmdlet $PSCmdlet)
        ShareAccess = [object[]] @($named | ForEach-Object { Get-ShareEntry -Share $_ })
    }
}
