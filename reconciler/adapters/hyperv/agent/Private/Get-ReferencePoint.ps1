function Get-ReferencePoint {
    # A machine's reference points of resilient change tracking (type 2); none before Server 2016.
    param([string] $VMId)
    if (-not (Test-VirtualizationClass -ClassName 'Msvm_VirtualSystemReferencePoint')) {
        return
    }
    Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemReferencePoint' -Filter ("VirtualSystemIdentifier='{0}' AND ReferencePointType=2" -f $VMId.ToUpperInvariant())
}
