function Confirm-MachineOff {
    # End the call unless a machine is off or saved.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [object] $VM)
    if ("$($VM.State)" -notin 'Off', 'Saved') {
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'MachineNotOff' -Category 'ResourceBusy' -Target "$($VM.Id)" -Message ("'{0}' is {1}" -f $VM.Name, $VM.State)
    }
}
