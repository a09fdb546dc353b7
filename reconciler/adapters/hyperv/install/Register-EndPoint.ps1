# The end point of a session configuration file in the agent's folder; in force when WinRM restarts.
param([Parameter(Mandatory = $true)] [ValidatePattern('^[A-Za-z0-9._-]{1,64}$')] [string] $Name)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$file = [System.IO.Path]::Combine($env:ProgramFiles, 'WindowsPowerShell', 'Modules', 'ReconcilerAgent', 'ReconcilerAgent.pssc')
if (@(Get-PSSessionConfiguration -Name $Name -ErrorAction SilentlyContinue).Count) {
    Unregister-PSSessionConfiguration -Name $Name -Force -NoServiceRestart
}
[void] (Register-PSSessionConfiguration -Name $Name -Path $file -Force -NoServiceRestart)
