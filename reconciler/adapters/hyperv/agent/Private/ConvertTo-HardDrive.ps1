function ConvertTo-HardDrive {
    # A hard drive of a machine or a checkpoint, with what its file says of itself. MayLack: of one
    # that is not running, the file may be away, as while a recovery puts another in its place.
    param([object] $Drive, [switch] $MayLack)
    $told = [ordered] @{
        ControllerType = "$($Drive.ControllerType)"
        ControllerNumber = [int] $Drive.ControllerNumber
        ControllerLocation = [int] $Drive.ControllerLocation
        Path = ''
        DiskNumber = $null
        DiskIdentifier = ''
        VhdFormat = ''
        VhdType = ''
        Size = [long] 0
        FileSize = [long] 0
        BlockSize = [long] 0
        LogicalSectorSize = [int] 0
        PhysicalSectorSize = [int] 0
        SupportPersistentReservations = [bool] $Drive.SupportPersistentReservations
    }
    if ($null -ne $Drive.DiskNumber) {
        $told['DiskNumber'] = [int] $Drive.DiskNumber
        return [pscustomobject] $told
    }
    $told['Path'] = "$($Drive.Path)"
    try {
        $disk = Get-VHD -Path $Drive.Path
    }
    catch {
        if (-not $MayLack -or (Test-AgentFile -Path "$($Drive.Path)")) {
            throw
        }
        return [pscustomobject] $told
    }
    $told['DiskIdentifier'] = "$($disk.DiskIdentifier)".ToLowerInvariant()
    $told['VhdFormat'] = "$($disk.VhdFormat)"
    $told['VhdType'] = "$($disk.VhdType)"
    foreach ($name in 'Size', 'FileSize', 'BlockSize') {
        $told[$name] = [long] $disk.$name
    }
    foreach ($name in 'LogicalSectorSize', 'PhysicalSectorSize') {
        $told[$name] = [int] $disk.$name
    }
    [pscustomobject] $told
}
