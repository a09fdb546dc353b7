# Stand-ins for the commands of session configurations, which PowerShell has on Windows only. They
# record what is registered; it comes into force when WinRM restarts.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

$script:Keys = 'SchemaVersion', 'GUID', 'SessionType', 'LanguageMode', 'RunAsVirtualAccount', 'RunAsVirtualAccountGroups',
    'GroupManagedServiceAccount', 'RoleDefinitions', 'RequiredGroups', 'TranscriptDirectory'

function Get-PSSessionConfiguration {
    [CmdletBinding()]
    param([string] $Name = '*', [switch] $Force)
    $found = @(Invoke-Lab -Operation 'powershell_registrations' | ForEach-Object { $_ } | Where-Object { $_.Name -like $Name })
    if (-not $found) {
        Write-StandInError -Cmdlet $PSCmdlet -ErrorId 'NoSessionConfiguration' -Message "No Session Configuration matches criteria `"$Name`"."
    }
    $found | Select-Object -Property 'Name', 'ConfigFilePath'
}

function Register-PSSessionConfiguration {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Name, [Parameter(Mandatory)] [string] $Path, [switch] $Force, [switch] $NoServiceRestart)
    if (@(Invoke-Lab -Operation 'powershell_registrations' | ForEach-Object { $_ } | Where-Object { $_.Name -eq $Name })) {
        throw "The session configuration `"$Name`" already exists."
    }
    if ([System.IO.Path]::GetExtension($Path) -ne '.pssc') {
        throw "Session configuration file `"$Path`" is not valid: its extension is not .pssc."
    }
    $data = Import-PowerShellDataFile -Path $Path
    $unknown = @($data.Keys | Where-Object { $_ -notin $script:Keys })
    if ($unknown -or -not $data.ContainsKey('SchemaVersion')) {
        throw "The session configuration file is not valid: $unknown"
    }
    if ($data.ContainsKey('RunAsVirtualAccount') -and $data.ContainsKey('GroupManagedServiceAccount')) {
        throw 'A session runs as a virtual account or as a group managed service account.'
    }
    $folder = [System.IO.Path]::Combine($env:SystemRoot, 'System32', 'WindowsPowerShell', 'v1.0', 'SessionConfig')
    [void] [System.IO.Directory]::CreateDirectory($folder)
    $kept = [System.IO.Path]::Combine($folder, "${Name}_$($data.GUID).pssc")
    [System.IO.File]::Copy($Path, $kept, $true)
    $told = @{ Name = $Name; ConfigFilePath = $kept; Accounts = @($data.RoleDefinitions.Keys) }
    Invoke-Lab -Operation 'powershell_register' -Arguments $told | Out-Null
    if (-not $NoServiceRestart) {
        Invoke-Lab -Operation 'powershell_restart' | Out-Null
    }
    [pscustomobject] @{ Name = $Name }
}

function Unregister-PSSessionConfiguration {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Name, [switch] $Force, [switch] $NoServiceRestart)
    $found = @(Get-PSSessionConfiguration -Name $Name)
    if ($found) {
        [System.IO.File]::Delete($found[0].ConfigFilePath)
        Invoke-Lab -Operation 'powershell_unregister' -Arguments @{ Name = $Name } | Out-Null
    }
    if (-not $NoServiceRestart) {
        Invoke-Lab -Operation 'powershell_restart' | Out-Null
    }
}

Export-ModuleMember -Function Get-PSSessionConfiguration, Register-PSSessionConfiguration, Unregister-PSSessionConfiguration
