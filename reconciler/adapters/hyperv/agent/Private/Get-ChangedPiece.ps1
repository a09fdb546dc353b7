function Get-ChangedPiece {
    # What GetVirtualDiskChanges answers; after a job, it is asked once more.
    param([string] $Path, [string] $LimitId, [long] $Offset, [long] $Length)
    if (-not (Test-VirtualizationClass -ClassName 'Msvm_VirtualSystemReferencePoint')) {
        return [pscustomobject] @{ ReturnValue = $script:NotSupported }
    }
    $service = Get-VirtualizationInstance -ClassName 'Msvm_ImageManagementService'
    $given = @{
        Path = $Path
        LimitId = $LimitId
        TargetSnapshotId = ''
        ByteOffset = [uint64] $Offset
        ByteLength = [uint64] $Length
    }
    $answer = Invoke-CimMethod -InputObject $service -MethodName 'GetVirtualDiskChanges' -Arguments $given
    if ($answer.ReturnValue -eq 4096 -and (Wait-VirtualizationJob -Answer $answer)) {
        $answer = Invoke-CimMethod -InputObject $service -MethodName 'GetVirtualDiskChanges' -Arguments $given
    }
    $answer
}
