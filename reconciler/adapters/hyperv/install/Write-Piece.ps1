# A piece of a file in the agent's folder; the first one begins the file anew.
param(
    [Parameter(Mandatory = $true)] [ValidatePattern('^[A-Za-z0-9.-]*[A-Za-z0-9](/[A-Za-z0-9.-]*[A-Za-z0-9]){0,3}$')] [string] $Path,
    [Parameter(Mandatory = $true)] [ValidateRange(0, 16777216)] [long] $Offset,
    [Parameter(Mandatory = $true)] [AllowEmptyCollection()] [ValidateCount(0, 131072)] [byte[]] $Data
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$file = [System.IO.Path]::Combine($env:ProgramFiles, 'WindowsPowerShell', 'Modules', 'ReconcilerAgent', $Path.Replace('/', [System.IO.Path]::DirectorySeparatorChar))
[void] [System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($file))
$mode = if ($Offset) { [System.IO.FileMode]::Open } else { [System.IO.FileMode]::Create }
$stream = New-Object -TypeName 'System.IO.FileStream' -ArgumentList $file, $mode, ([System.IO.FileAccess]::Write)
try {
    [void] $stream.Seek($Offset, [System.IO.SeekOrigin]::Begin)
    $stream.Write($Data, 0, $Data.Length)
    $stream.Flush($true)
}
finally {
    $stream.Dispose()
}
