function Get-AgentVM {
    # The machines asked for, or all; one that is not here ends the call.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string[]] $VMId = @())
    Confirm-HyperV -Cmdlet $Cmdlet
    if ($null -eq $VMId -or $VMId.Count -eq 0) {
        return Get-VM
    }
    foreach ($id in $VMId) {
        Confirm-VM -Cmdlet $Cmdlet -VMId $id
        Get-VM -Id $id
    }
}
