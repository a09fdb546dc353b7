function ConvertTo-Machine {
    # Reconciler.Machine.
    param([object] $VM)
    $id = "$($VM.Id)"
    $class = if ("$($VM.VirtualMachineType)" -eq 'PlannedVirtualMachine') { 'Msvm_PlannedComputerSystem' } else { 'Msvm_ComputerSystem' }
    $system = Get-VirtualizationInstance -ClassName $class -Filter ("Name='{0}'" -f $id.ToUpperInvariant())
    # Of one that runs, a file that is not there has just merged.
    $mayLack = "$($VM.State)" -in 'Off', 'Saved'
    $replication = Get-AgentReplication -VM $VM
    [pscustomobject] @{
        PSTypeName = 'Reconciler.Machine'
        VMId = $id.ToLowerInvariant()
        Name = "$($VM.Name)"
        State = "$($VM.State)"
        Generation = [int] $VM.Generation
        Version = Get-MachineVersion -VM $VM
        VirtualMachineType = "$($VM.VirtualMachineType)"
        OperationalStatus = [string[]] @($VM.OperationalStatus | ForEach-Object { "$_" })
        IsClustered = [bool] $VM.IsClustered
        Notes = "$($VM.Notes)"
        SnapshotCount = [int] @(Get-VMSnapshot -VM $VM -SnapshotType Standard).Count
        ReplicationMode = "$($VM.ReplicationMode)"
        ReplicationState = "$($VM.ReplicationState)"
        ReplicationHealth = "$($VM.ReplicationHealth)"
        LastReplicationTime = $replication['LastReplicationTime']
        LastAppliedLogTime = $replication['LastAppliedLogTime']
        GuestOSName = Get-GuestOSName -System $system
        Jobs = [object[]] @(Get-UnfinishedJob -System $system)
        HardDrives = [object[]] @(Get-VMHardDiskDrive -VM $VM | ForEach-Object { ConvertTo-HardDrive -Drive $_ -MayLack:$mayLack })
        IntegrationServices = [object[]] @(Get-VMIntegrationService -VM $VM | ForEach-Object { ConvertTo-IntegrationService -Service $_ })
    }
}
