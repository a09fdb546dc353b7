# A stand-in for the NetTCPIP module. Names from hyperv-facts.md section 3.4.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function Get-NetOffloadGlobalSetting {
    [CmdletBinding()]
    param()
    $told = @(Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerRequirement'; arguments = @{} } | ForEach-Object { $_ })[0]
    $setting = [pscustomobject] @{ ReceiveSideScaling = 'Enabled'; NetworkDirect = 'Enabled' }
    if ($told.Chimney) {
        Add-Member -InputObject $setting -MemberType NoteProperty -Name 'Chimney' -Value $told.Chimney
    }
    $setting
}

Export-ModuleMember -Function Get-NetOffloadGlobalSetting
