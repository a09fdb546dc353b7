# A stand-in for the BitLocker module. Names from hyperv-facts.md section 3.3.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function Get-BitLockerVolume {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [string] $MountPoint)
    $volumes = @(Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerVolume'; arguments = @{} } | ForEach-Object { $_ })
    $found = @($volumes | Where-Object { $_.Path.TrimEnd('\') -eq $MountPoint.TrimEnd('\') })
    if (-not $found) {
        Write-StandInError -Cmdlet $PSCmdlet -ErrorId 'System.Runtime.InteropServices.COMException' -Message "$MountPoint does not have an associated BitLocker volume."
        return
    }
    [pscustomobject] @{ MountPoint = $MountPoint; ProtectionStatus = $found[0].ProtectionStatus; LockStatus = 'Unlocked' }
}

Export-ModuleMember -Function Get-BitLockerVolume
