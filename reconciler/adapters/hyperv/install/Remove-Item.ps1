# A file or folder of the agent's folder goes; then the agent's folder, if nothing is left in it.
param([Parameter(Mandatory = $true)] [ValidatePattern('^[A-Za-z0-9.-]*[A-Za-z0-9](/[A-Za-z0-9.-]*[A-Za-z0-9]){0,3}$')] [string] $Path)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$folder = [System.IO.Path]::Combine($env:ProgramFiles, 'WindowsPowerShell', 'Modules', 'ReconcilerAgent')
$item = [System.IO.Path]::Combine($folder, $Path.Replace('/', [System.IO.Path]::DirectorySeparatorChar))
if ([System.IO.Directory]::Exists($item)) {
    [System.IO.Directory]::Delete($item, $true)
}
elseif ([System.IO.File]::Exists($item)) {
    [System.IO.File]::Delete($item)
}
for ($left = [System.IO.Path]::GetDirectoryName($item); $left.Length -ge $folder.Length; $left = [System.IO.Path]::GetDirectoryName($left)) {
    if (-not [System.IO.Directory]::Exists($left)) {
        continue
    }
    if (@([System.IO.Directory]::GetFileSystemEntries($left)).Count) {
        break
    }
    [System.IO.Directory]::Delete($left)
}
