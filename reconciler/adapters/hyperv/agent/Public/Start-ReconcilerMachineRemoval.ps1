function Start-ReconcilerMachineRemoval {
    <#
    .SYNOPSIS
    Remove a machine that is off and has no checkpoints; the files of its disks stay.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Operation')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $RequestId,

        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $VMId
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerMachineRemoval' -VMId $VMId
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -Method {
        param($Cmdlet, $Entry)
        $vm = Get-VM -Id $Entry.VMId
        if ("$($vm.State)" -notin 'Off', 'Saved') {
            Stop-Call -Cmdlet $Cmdlet -ErrorId 'MachineNotOff' -Category 'ResourceBusy' -Target $Entry.VMId -Message ("'{0}' is {1}" -f $vm.Name, $vm.State)
        }
        if ((Get-VMSnapshot -VM $vm) -or (Get-RecoverySnapshot -VMId $Entry.VMId)) {
            Stop-Call -Cmdlet $Cmdlet -ErrorId 'MachineHasCheckpoints' -Category 'ResourceExists' -Target $Entry.VMId -Message ("'{0}' has checkpoints" -f $vm.Name)
        }
        # Kept: its files may be swapped when it is gone.
        $Entry.Files = @(Get-MachineDiskPath -VM $vm)
        @{
            InputObject = Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemManagementService'
            MethodName = 'DestroySystem'
            Arguments = @{ AffectedSystem = Get-MachineSystem -VMId $Entry.VMId }
        }
    }
}
