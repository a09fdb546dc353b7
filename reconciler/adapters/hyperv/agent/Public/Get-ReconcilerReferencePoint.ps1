function Get-ReconcilerReferencePoint {
    <#
    .SYNOPSIS
    The RCT reference points of the host's machines, whoever made them.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.ReferencePoint')]
    param(
        [Parameter()]
        [ValidateCount(0, 5000)]
        [string[]] $VMId
    )

    foreach ($vm in @(Get-AgentVM -Cmdlet $PSCmdlet -VMId $VMId)) {
        $slots = $null
        foreach ($point in @(Get-ReferencePoint -VMId "$($vm.Id)")) {
            if ($null -eq $slots) {
                $slots = Get-ControllerSlot -VM $vm
            }
            [pscustomobject] @{
                PSTypeName = 'Reconciler.ReferencePoint'
                ReferencePointId = "$($point.InstanceID)"
                VMId = "$($vm.Id)".ToLowerInvariant()
                Disks = [object[]] @(ConvertTo-TrackedDisk -Point $point -Slots $slots)
            }
        }
    }
}
