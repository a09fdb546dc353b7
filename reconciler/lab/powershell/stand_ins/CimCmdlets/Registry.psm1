# StdRegProv over the few keys that the agent reads. Names from hyperv-facts.md section 3.4.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function Read-Registry {
    # StdRegProv over the few keys of HKEY_LOCAL_MACHINE that are stood in for; 2 is 'not found'.
    param([string] $MethodName, [System.Collections.IDictionary] $Arguments)
    if ($Arguments.hDefKey -ne 2147483650 -or $Arguments.hDefKey -isnot [uint32]) {
        throw "Invalid hive $($Arguments.hDefKey)"
    }
    $facts = @(Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerRequirement'; arguments = @{} } | ForEach-Object { $_ })[0]
    $types = @($facts.VssProviderTypes)
    $providers = 'SYSTEM\CurrentControlSet\Services\VSS\Providers'
    $names = @(for ($number = 0; $number -lt $types.Count; $number++) { '{{b5946137-7b9f-4925-af80-51abd60b2{0:d3}}}' -f $number })
    $value = $null
    switch ($Arguments.sSubKeyName) {
        $providers { $value = [string[]] $names }
        'SYSTEM\CurrentControlSet\Services\mountmgr' {
            if ($Arguments.sValueName -eq 'NoAutoMount' -and $facts.NoAutoMount) { $value = [uint32] $facts.NoAutoMount }
        }
        'SOFTWARE\Microsoft\Windows NT\CurrentVersion\Virtualization\GuestInstaller\Version' {
            if ($Arguments.sValueName -eq 'Microsoft-Hyper-V-Guest-Installer-Win6x-Package' -and $facts.IntegrationServicesVersion) { $value = $facts.IntegrationServicesVersion }
        }
        default {
            $place = $names.IndexOf($Arguments.sSubKeyName.Substring($providers.Length + 1))
            if ($place -ge 0 -and $Arguments.sValueName -eq 'Type') { $value = [uint32] $types[$place] }
        }
    }
    $property = @{ EnumKey = 'sNames'; GetDWORDValue = 'uValue'; GetStringValue = 'sValue' }[$MethodName]
    [pscustomobject] @{ ReturnValue = [uint32] $(if ($null -eq $value) { 2 } else { 0 }); $property = $value }
}

Export-ModuleMember -Function Read-Registry
