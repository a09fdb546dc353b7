# What lies in the agent's folder, and which end point is registered.
param([Parameter(Mandatory = $true)] [ValidatePattern('^[A-Za-z0-9._-]{1,64}$')] [string] $Name)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$folder = [System.IO.Path]::Combine($env:ProgramFiles, 'WindowsPowerShell', 'Modules', 'ReconcilerAgent')
$sha256 = [System.Security.Cryptography.SHA256]::Create()
function Get-Sha256 {
    param([string] $File)
    [System.BitConverter]::ToString($sha256.ComputeHash([System.IO.File]::ReadAllBytes($File))).Replace('-', '').ToLowerInvariant()
}
$found = @()
if ([System.IO.Directory]::Exists($folder)) {
    $found = @([System.IO.Directory]::GetFiles($folder, '*', [System.IO.SearchOption]::AllDirectories) | ForEach-Object {
            [pscustomobject] @{ Path = $_.Substring($folder.Length + 1).Replace('\', '/'); Sha256 = Get-Sha256 -File $_ }
        })
}
$registered = @(Get-PSSessionConfiguration -Name $Name -ErrorAction SilentlyContinue)
$hash = ''
if ($registered.Count) {
    # The file that Windows keeps of the registration.
    $property = $registered[0].PSObject.Properties['ConfigFilePath']
    if ($null -ne $property -and [System.IO.File]::Exists("$($property.Value)")) {
        $hash = Get-Sha256 -File "$($property.Value)"
    }
}
[pscustomobject] @{
    Folder = $folder
    PowerShellVersion = "$($PSVersionTable.PSVersion)"
    Files = $found
    IsRegistered = [bool] $registered.Count
    RegisteredSha256 = $hash
}
