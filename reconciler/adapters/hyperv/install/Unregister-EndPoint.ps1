# The end point goes; in force when WinRM restarts.
param([Parameter(Mandatory = $true)] [ValidatePattern('^[A-Za-z0-9._-]{1,64}$')] [string] $Name)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
if (@(Get-PSSessionConfiguration -Name $Name -ErrorAction SilentlyContinue).Count) {
    Unregister-PSSessionConfiguration -Name $Name -Force -NoServiceRestart
}
