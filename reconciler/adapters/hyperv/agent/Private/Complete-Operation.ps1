function Complete-Operation {
    # End an entry whose job succeeded or is gone: find what it made, and give it its name.
    param([object] $Entry, [object] $Job, [string] $State)
    $failure = ''
    switch ($Entry.Function) {
        'Start-ReconcilerCheckpoint' {
            $made = Find-Made -Now (Get-RecoverySnapshot -VMId $Entry.VMId) -Key 'ConfigurationID' -Before $Entry.Before
            if ($null -eq $made) {
                $failure = 'no new checkpoint is there'
            }
            else {
                $failure = Rename-Snapshot -Snapshot $made -ElementName $Entry.ElementName
                $Entry.CheckpointId = "$($made.ConfigurationID)".ToLowerInvariant()
            }
        }
        'Start-ReconcilerConversion' {
            $made = Find-Made -Now (Get-ReferencePoint -VMId $Entry.VMId) -Key 'InstanceID' -Before $Entry.Before
            if ($null -eq $made) {
                $failure = 'no new reference point is there'
            }
            else {
                $Entry.ReferencePointId = "$($made.InstanceID)"
            }
        }
        'Start-ReconcilerCheckpointRemoval' {
            if (Get-RecoverySnapshot -VMId $Entry.VMId | Where-Object { $_.ConfigurationID -eq $Entry.Target }) {
                $failure = 'the checkpoint is still there'
            }
        }
        'Start-ReconcilerReferencePointRemoval' {
            if (Get-ReferencePoint -VMId $Entry.VMId | Where-Object { $_.InstanceID -eq $Entry.Target }) {
                $failure = 'the reference point is still there'
            }
        }
        'Start-ReconcilerMachineRemoval' {
            if ($null -ne (Get-MachineSystem -VMId $Entry.VMId)) {
                $failure = 'the machine is still there'
            }
        }
        'Start-ReconcilerClusterChange' {
            $failure = Get-RoleFailure -Entry $Entry
        }
        'Start-ReconcilerStateChange' {
            if ($null -eq $Job -and "$((Get-VM -Id $Entry.VMId).State)" -ne $Entry.Target) {
                $failure = 'the machine is in another state'
            }
        }
    }
    if ($failure) {
        $Entry.State = 'Exception'
        $Entry.ErrorCode = [long] 32768
        $Entry.ErrorDescription = $failure
        return
    }
    $Entry.State = $State
    $Entry.PercentComplete = 100
}
