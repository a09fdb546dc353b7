function Start-ReconcilerStateChange {
    <#
    .SYNOPSIS
    Save a running machine, let one run on, or turn one off as by its switch.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Operation')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $RequestId,

        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $VMId,

        [Parameter(Mandatory = $true)]
        [ValidateSet('Saved', 'Running', 'Off')]
        [string] $TargetState
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerStateChange' -VMId $VMId -More @{ Target = $TargetState }
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -Method {
        param($Cmdlet, $Entry)
        if ("$((Get-VM -Id $Entry.VMId).State)" -eq $Entry.Target) {
            return
        }
        # Source: RequestedState of Msvm_ComputerSystem: 2 enabled, 3 disabled, 6 enabled but offline.
        $states = @{ Running = [uint16] 2; Off = [uint16] 3; Saved = [uint16] 6 }
        @{
            InputObject = Get-MachineSystem -VMId $Entry.VMId
            MethodName = 'RequestStateChange'
            Arguments = @{ RequestedState = $states[$Entry.Target] }
        }
    }
}
