function ConvertTo-TrackedDisk {
    # The disks of a reference point; one that is attached no more is left out.
    param([object] $Point, [hashtable] $Slots)
    $identifiers = @($Point.VirtualDiskIdentifiers)
    $tracking = @($Point.ResilientChangeTrackingIdentifiers)
    if ($identifiers.Count -ne $tracking.Count) {
        return
    }
    for ($number = 0; $number -lt $identifiers.Count; $number++) {
        $drive = $Slots[$identifiers[$number]]
        if ($null -eq $drive -or $null -ne $drive.DiskNumber) {
            continue
        }
        [pscustomobject] @{
            ControllerType = "$($drive.ControllerType)"
            ControllerNumber = [int] $drive.ControllerNumber
            ControllerLocation = [int] $drive.ControllerLocation
            DiskIdentifier = "$((Get-VHD -Path $drive.Path).DiskIdentifier)".ToLowerInvariant()
            RctId = "$($tracking[$number])"
        }
    }
}
