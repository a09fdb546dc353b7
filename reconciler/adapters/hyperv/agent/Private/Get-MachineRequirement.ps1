function Get-MachineRequirement {
    # What of each machine changes seldom; nothing on a computer without Hyper-V.
    param([System.Management.Automation.PSCmdlet] $Cmdlet)
    if ($null -eq (Get-CimInstance -ClassName 'Win32_Service' -Filter "Name='vmms'")) {
        return
    }
    foreach ($vm in @(Get-AgentVM -Cmdlet $Cmdlet)) {
        [pscustomobject] @{
            VMId = "$($vm.Id)".ToLowerInvariant()
            ScsiControllers = [int] @(Get-VMScsiController -VM $vm).Count
            IntegrationServicesVersion = "$($vm.IntegrationServicesVersion)"
        }
    }
}
