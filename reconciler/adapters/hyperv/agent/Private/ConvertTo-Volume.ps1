function ConvertTo-Volume {
    # Reconciler.Volume.
    param([string] $Path, [object] $Size, [object] $SizeRemaining, [string[]] $Dedup = @(), [switch] $IsClusterShared)
    $place = $Path.TrimEnd('\')
    $protection = 'Off'
    if ($script:Feature['BitLocker']) {
        $found = Get-BitLockerVolume -MountPoint $place -ErrorAction SilentlyContinue
        $protection = if ($null -eq $found) { 'Unknown' } else { "$($found.ProtectionStatus)" }
    }
    [pscustomobject] @{
        PSTypeName = 'Reconciler.Volume'
        Path = "$place\"
        Size = [long] $Size
        SizeRemaining = [long] $SizeRemaining
        IsClusterShared = [bool] $IsClusterShared
        DedupEnabled = [bool] ("$place\" -in $Dedup)
        ProtectionStatus = $protection
    }
}
