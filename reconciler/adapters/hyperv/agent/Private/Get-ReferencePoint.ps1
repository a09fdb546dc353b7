function Get-ReferencePoint {
    # A machine's reference points of resilient change tracking (type 2).
    param([string] $VMId)
    Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemReferencePoint' -Filter ("VirtualSystemIdentifier='{0}' AND ReferencePointType=2" -f $VMId.ToUpperInvariant())
}
