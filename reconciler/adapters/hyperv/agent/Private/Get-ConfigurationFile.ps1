function Get-ConfigurationFile {
    # The files of a recovery checkpoint: those of its configuration's name, and those that its settings
    # name. One that is not there has no size; nor has one on a file server, as whoever called this host
    # cannot be passed on to there.
    param([object] $Snapshot)
    $named = @(
        Join-HostPath -Root "$($Snapshot.ConfigurationDataRoot)" -File "$($Snapshot.ConfigurationFile)"
        Join-HostPath -Root (Get-InstanceText -Instance $Snapshot -Name 'GuestStateDataRoot') -File (Get-InstanceText -Instance $Snapshot -Name 'GuestStateFile')
    )
    $told = New-Object -TypeName 'System.Collections.Generic.HashSet[string]' -ArgumentList ([System.StringComparer]::OrdinalIgnoreCase)
    foreach ($path in @($named | Where-Object { $_ })) {
        if (-not $path.StartsWith('\\')) {
            foreach ($file in @(Find-NamedFile -Stem ($path -replace '\.[^.\\]*$', ''))) {
                if ($told.Add($file.Path)) {
                    $file
                }
            }
        }
        if ($told.Add($path)) {
            [pscustomobject] @{ Path = $path; Size = $null }
        }
    }
}
