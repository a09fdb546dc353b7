function Start-ReconcilerClusterChange {
    <#
    .SYNOPSIS
    Make a machine highly available, take it off line for a recovery, or bring it back.
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
        [ValidateSet('AddRole', 'TakeOffline', 'BringOnline', 'UpdateConfiguration')]
        [string] $Change
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerClusterChange' -VMId $VMId -More @{ Target = $Change }
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -AnyMachine -Method {
        param($Cmdlet, $Entry)
        $group = Confirm-Role -Cmdlet $Cmdlet -Entry $Entry
        if ($Entry.Target -eq 'AddRole' -and $null -ne $group) {
            return
        }
        if ($Entry.Target -eq 'TakeOffline') {
            # Kept: they may be swapped while Hyper-V does not know the machine.
            $Entry.Files = @(Get-VM | Where-Object { "$($_.Id)" -eq $Entry.VMId } | ForEach-Object { Get-MachineDiskPath -VM $_ })
        }
        @{ Deed = { param($Entry) Set-Role -Entry $Entry } }
    }
}
