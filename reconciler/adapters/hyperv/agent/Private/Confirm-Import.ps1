function Confirm-Import {
    # End the call unless a machine can be imported as an entry says.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [object] $Entry, [string[]] $Folders)
    $path = $Entry.Given.ConfigurationPath
    Confirm-Target -Cmdlet $Cmdlet -Path $path -Folders $Folders -Ending 'vmcx', 'xml'
    Confirm-TargetDisk -Cmdlet $Cmdlet -Lines $Entry.Given.Disk -Folders $Folders
    Confirm-TargetFile -Cmdlet $Cmdlet -Path $path
    if ($Entry.Target -eq 'Keep') {
        foreach ($class in 'Msvm_ComputerSystem', 'Msvm_PlannedComputerSystem') {
            if (Get-VirtualizationInstance -ClassName $class -Filter ("Name='{0}'" -f $Entry.VMId.ToUpperInvariant())) {
                Stop-Call -Cmdlet $Cmdlet -ErrorId 'MachineExists' -Category 'ResourceExists' -Target $Entry.VMId -Message "a machine with the id $($Entry.VMId) is here"
            }
        }
    }
}
