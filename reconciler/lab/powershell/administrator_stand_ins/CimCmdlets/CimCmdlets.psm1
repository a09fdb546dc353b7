# A stand-in for Invoke-CimMethod as an administrator's session calls it: a process is started that
# restarts WinRM. Anything else is refused.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function Invoke-CimMethod {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $ClassName, [Parameter(Mandatory)] [string] $MethodName, [hashtable] $Arguments)
    if ("$ClassName.$MethodName" -ne 'Win32_Process.Create' -or $Arguments.CommandLine -notlike 'powershell.exe *Restart-Service -Name WinRM -Force"') {
        throw "the lab starts no such process: $ClassName.$MethodName"
    }
    Invoke-Lab -Operation 'powershell_restart' | Out-Null
    [pscustomobject] @{ ProcessId = 4711; ReturnValue = 0 }
}

Export-ModuleMember -Function Invoke-CimMethod
