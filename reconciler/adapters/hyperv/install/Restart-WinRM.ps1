# WinRM restarts in a moment, from a process that does not end with this session.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$arguments = @{ CommandLine = 'powershell.exe -NoLogo -NoProfile -NonInteractive -Command "Start-Sleep -Seconds 2; Restart-Service -Name WinRM -Force"' }
$done = Invoke-CimMethod -ClassName 'Win32_Process' -MethodName 'Create' -Arguments $arguments
if ($done.ReturnValue) {
    throw "Win32_Process.Create ended with $($done.ReturnValue)"
}
