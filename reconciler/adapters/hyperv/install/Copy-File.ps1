# A file that the agent's folder has already, once more.
param(
    [Parameter(Mandatory = $true)] [ValidatePattern('^[A-Za-z0-9.-]*[A-Za-z0-9](/[A-Za-z0-9.-]*[A-Za-z0-9]){0,3}$')] [string] $Path,
    [Parameter(Mandatory = $true)] [ValidatePattern('^[A-Za-z0-9.-]*[A-Za-z0-9](/[A-Za-z0-9.-]*[A-Za-z0-9]){0,3}$')] [string] $Destination
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$folder = [System.IO.Path]::Combine($env:ProgramFiles, 'WindowsPowerShell', 'Modules', 'ReconcilerAgent')
$from, $to = foreach ($each in $Path, $Destination) {
    [System.IO.Path]::Combine($folder, $each.Replace('/', [System.IO.Path]::DirectorySeparatorChar))
}
[void] [System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($to))
[System.IO.File]::Copy($from, $to, $true)
