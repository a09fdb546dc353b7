function Find-RecoverySnapshot {
    # The settings of the recovery checkpoint that a request is about; there must be one.
    param(
        [System.Management.Automation.PSCmdlet] $Cmdlet,
        [object] $Entry
    )
    $snapshot = Get-RecoverySnapshot -VMId $Entry.VMId | Where-Object { $_.ConfigurationID -eq $Entry.Target }
    if ($null -eq $snapshot) {
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'CheckpointNotFound' -Target $Entry.Target -Message ("'{0}' has no checkpoint {1}" -f $Entry.VMId, $Entry.Target)
    }
    $snapshot
}
