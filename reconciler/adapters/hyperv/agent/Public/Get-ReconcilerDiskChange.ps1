function Get-ReconcilerDiskChange {
    <#
    .SYNOPSIS
    One bounded piece of the ranges written since a change tracking id, in the virtual disk.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.DiskChange')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidateLength(0, 32767)]
        [string] $Path,

        [Parameter(Mandatory = $true)]
        [ValidateLength(0, 1024)]
        [string] $LimitId,

        [Parameter(Mandatory = $true)]
        [ValidateRange(0, 9223372036854775807)]
        [long] $Offset,

        [Parameter(Mandatory = $true)]
        [ValidateRange(1, 9223372036854775807)]
        [long] $Length
    )

    Confirm-HyperV -Cmdlet $PSCmdlet
    if (-not (Test-CheckpointDisk -Path $Path)) {
        Stop-Call -Cmdlet $PSCmdlet -ErrorId 'DiskNotFound' -Target $Path -Message "no checkpoint keeps $Path"
    }
    $answer = Get-ChangedPiece -Path $Path -LimitId $LimitId -Offset $Offset -Length $Length
    if ($answer.ReturnValue -eq 32779) {
        [void] $script:CheckpointDisks.Remove($Path)
        Stop-Call -Cmdlet $PSCmdlet -ErrorId 'DiskNotFound' -Target $Path -Message "Hyper-V does not find $Path"
    }
    if ($answer.ReturnValue -ne 0) {
        Stop-Call -Cmdlet $PSCmdlet -ErrorId 'TrackingUnknown' -Category 'InvalidData' -Target $Path -Message ('change tracking of {0} does not know {1}: code {2}' -f $Path, $LimitId, $answer.ReturnValue)
    }
    $piece = Limit-Extent -Answer $answer -Offset $Offset
    [pscustomobject] @{
        PSTypeName = 'Reconciler.DiskChange'
        ProcessedLength = [long] $piece['ProcessedLength']
        Extents = [byte[]] (ConvertTo-PackedRange -Offsets $piece['Offsets'] -Lengths $piece['Lengths'])
    }
}
