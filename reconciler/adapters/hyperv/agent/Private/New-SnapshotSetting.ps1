function New-SnapshotSetting {
    # The settings of a recovery checkpoint, as text.
    param([string] $ConsistencyLevel)
    $class = Get-CimClass -Namespace $script:VirtualizationNamespace -ClassName 'Msvm_VirtualSystemSnapshotSettingData'
    $levels = @{ Application = [byte] 1; Crash = [byte] 2 }
    $values = @{ ConsistencyLevel = $levels[$ConsistencyLevel]; IgnoreNonSnapshottableDisks = $true }
    $names = @($class.CimClassProperties | ForEach-Object { $_.Name })
    if ($names -contains 'GuestBackupType') {
        # From 1703 on: a copy, which leaves other products' chains in the guest alone.
        $values['GuestBackupType'] = [byte] 2
    }
    ConvertTo-CimText -InputObject (New-CimInstance -CimClass $class -Property $values -ClientOnly)
}
