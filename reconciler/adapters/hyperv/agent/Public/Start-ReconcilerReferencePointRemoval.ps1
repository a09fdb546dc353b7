function Start-ReconcilerReferencePointRemoval {
    <#
    .SYNOPSIS
    Remove a reference point.
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
        [ValidateLength(0, 1024)]
        [string] $ReferencePointId
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerReferencePointRemoval' -VMId $VMId -More @{ Target = $ReferencePointId }
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -Method {
        param($Cmdlet, $Entry)
        $point = Get-ReferencePoint -VMId $Entry.VMId | Where-Object { $_.InstanceID -eq $Entry.Target }
        if ($null -eq $point) {
            Stop-Call -Cmdlet $Cmdlet -ErrorId 'ReferencePointNotFound' -Target $Entry.Target -Message ("'{0}' has no reference point {1}" -f $Entry.VMId, $Entry.Target)
        }
        @{
            InputObject = Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemReferencePointService'
            MethodName = 'DestroyReferencePoint'
            Arguments = @{ AffectedReferencePoint = $point }
        }
    }
}
