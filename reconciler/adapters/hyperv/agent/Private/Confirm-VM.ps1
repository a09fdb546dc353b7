function Confirm-VM {
    # End the call if there is no such machine. Get-VM would tell other failures in the same way.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string] $VMId)
    foreach ($class in 'Msvm_ComputerSystem', 'Msvm_PlannedComputerSystem') {
        if (Get-VirtualizationInstance -ClassName $class -Filter ("Name='{0}'" -f $VMId.ToUpperInvariant())) {
            return
        }
    }
    Stop-Call -Cmdlet $Cmdlet -ErrorId 'VMNotFound' -Target $VMId -Message ('Hyper-V was unable to find a virtual machine with id "{0}".' -f $VMId)
}
