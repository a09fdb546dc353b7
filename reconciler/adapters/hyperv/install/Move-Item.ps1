# A file or folder of the agent's folder gets another name there; a file replaces the one that has it.
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
if ([System.IO.Directory]::Exists($from)) {
    [System.IO.Directory]::Move($from, $to)
}
elseif ([System.IO.File]::Exists($to)) {
    [System.IO.File]::Replace($from, $to, [NullString]::Value)
}
else {
    [System.IO.File]::Move($from, $to)
}
