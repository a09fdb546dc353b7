function Get-ReconcilerMachine {
    <#
    .SYNOPSIS
    The virtual machines of the host, with their disks.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Machine')]
    param(
        [Parameter()]
        [ValidateCount(0, 5000)]
        [string[]] $VMId
    )

    Invoke-Again -ArgumentList $PSCmdlet, $VMId -Block {
        param($Cmdlet, $VMId)
        foreach ($vm in @(Get-AgentVM -Cmdlet $Cmdlet -VMId $VMId)) {
            ConvertTo-Machine -VM $vm
        }
    }
}
