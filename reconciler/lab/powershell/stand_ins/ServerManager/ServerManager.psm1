# A stand-in for the ServerManager module. Names from hyperv-facts.md section 3.4.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function Get-WindowsFeature {
    [CmdletBinding()]
    param([Parameter(Position = 0)] [ValidateSet('FS-VSS-Agent')] [string[]] $Name)
    $told = @(Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerRequirement'; arguments = @{ Share = @('any') } } | ForEach-Object { $_ })[0]
    if ($told.FileServerVssAgent) {
        [pscustomobject] @{ Name = $Name[0]; Installed = $told.FileServerVssAgent -eq 'Installed'; InstallState = $told.FileServerVssAgent }
    }
}

Export-ModuleMember -Function Get-WindowsFeature
