# Stand-ins for commands of the Hyper-V module 2.0. Names from reference/hyperv-facts.md section 2.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function ConvertTo-Drive {
    param([object] $Drive, [object] $Owner)
    [pscustomobject] @{
        PSTypeName = 'Microsoft.HyperV.PowerShell.HardDiskDrive'
        Path = if ($null -ne $Drive.DiskNumber) { "Disk $($Drive.DiskNumber) 1.00 GB Bus 0 Lun 0 Target 0" } else { $Drive.Path }
        DiskNumber = $Drive.DiskNumber
        ControllerType = $Drive.ControllerType
        ControllerNumber = [int] $Drive.ControllerNumber
        ControllerLocation = [int] $Drive.ControllerLocation
        SupportPersistentReservations = [bool] $Drive.SupportPersistentReservations
        Id = $Drive.Id
        VMId = $Owner
    }
}

function Get-VMScsiController {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [object] $VM)
    for ($number = 0; $number -lt $VM.LabMachine.ScsiControllers; $number++) {
        [pscustomobject] @{ PSTypeName = 'Microsoft.HyperV.PowerShell.VMScsiController'; ControllerNumber = $number; Drives = @(); VMId = $VM.Id }
    }
}

function ConvertTo-VM {
    param([object] $Machine)
    $status = Get-LocalisedText -Key $Machine.VMId -English 'Operating normally' -German 'Normaler Betrieb'
    $vm = [pscustomobject] @{
        PSTypeName = 'Microsoft.HyperV.PowerShell.VirtualMachine'
        Id = [guid] $Machine.VMId
        VMId = [guid] $Machine.VMId
        Name = $Machine.Name
        VMName = $Machine.Name
        State = $Machine.State
        Status = $status
        OperationalStatus = @($Machine.OperationalStatus)
        PrimaryOperationalStatus = @($Machine.OperationalStatus)[0]
        PrimaryStatusDescription = $status
        StatusDescriptions = @($status)
        Generation = [int] $Machine.Generation
        Version = $Machine.Version
        VirtualMachineType = $Machine.VirtualMachineType
        ReplicationMode = $Machine.ReplicationMode
        ReplicationState = $Machine.ReplicationState
        ReplicationHealth = $Machine.ReplicationHealth
        Notes = $Machine.Notes
        IntegrationServicesVersion = if ($Machine.IntegrationServicesVersion) { [version] $Machine.IntegrationServicesVersion } else { $null }
        IsClustered = [bool] $Machine.IsClustered
        HardDrives = @($Machine.HardDrives | ForEach-Object { ConvertTo-Drive -Drive $_ -Owner ([guid] $Machine.VMId) })
    }
    if ((Get-LabBuild) -lt 14393) {
        # Nobody has written down that it was there before Update-VMVersion was.
        $vm.PSObject.Properties.Remove('Version')
    }
    # What the lab knows and no property of a VirtualMachine shows.
    Add-Member -InputObject $vm -MemberType NoteProperty -Name 'LabMachine' -Value $Machine -PassThru
}

function Get-VM {
    [CmdletBinding(DefaultParameterSetName = 'Name')]
    param(
        [Parameter(ParameterSetName = 'Name', Position = 0)] [string[]] $Name,
        [Parameter(ParameterSetName = 'Id')] [guid] $Id
    )
    $found = @(Invoke-Lab -Operation 'powershell_machines' | ForEach-Object { $_ })
    if ($PSCmdlet.ParameterSetName -eq 'Id' -and $PSBoundParameters.ContainsKey('Id')) {
        $found = @($found | Where-Object { [guid] $_.VMId -eq $Id })
        if (-not $found) {
            Write-StandInError -Cmdlet $PSCmdlet -ErrorId 'InvalidParameter' -Category 'InvalidArgument' -Message "Hyper-V was unable to find a virtual machine with id `"$Id`"."
        }
    }
    elseif ($Name) {
        $found = @($found | Where-Object { $_.Name -in $Name })
    }
    foreach ($machine in $found) {
        ConvertTo-VM -Machine $machine
    }
}

function Get-VMHardDiskDrive {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [object] $VM)
    # Asked anew: the object may be older than the drives.
    (Get-VM -Id $VM.Id).HardDrives
}

function Get-VHD {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [string] $Path)
    $machines = @(Invoke-Lab -Operation 'powershell_files' | ForEach-Object { $_ })
    $found = @($machines | Where-Object { $_.Path -eq $Path })
    if (-not $found) {
        $record = [System.Management.Automation.ErrorRecord]::new([System.IO.FileNotFoundException]::new("'$Path' was not found."), 'ObjectNotFound', 'ObjectNotFound', $Path)
        $PSCmdlet.WriteError($record)
        return
    }
    $disk = $found[0]
    [pscustomobject] @{
        PSTypeName = 'Microsoft.Vhd.PowerShell.VirtualHardDisk'
        Path = $disk.Path
        VhdFormat = $disk.VhdFormat
        VhdType = $disk.VhdType
        Size = [uint64] $disk.Size
        FileSize = [uint64] $disk.FileSize
        BlockSize = [uint32] $disk.BlockSize
        LogicalSectorSize = [uint32] $disk.LogicalSectorSize
        PhysicalSectorSize = [uint32] $disk.PhysicalSectorSize
        ParentPath = $disk.ParentPath
        DiskIdentifier = "$($disk.DiskIdentifier)".ToUpperInvariant()
        DiskNumber = $null
        Attached = $true
    }
}

function Get-VMSnapshot {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [object] $VM,
        [ValidateSet('Standard', 'Recovery', 'Planned', 'Missing', 'Replica', 'AppConsistentReplica', 'SyncedReplica')] [string] $SnapshotType = 'Standard'
    )
    if ($SnapshotType -eq 'Standard') {
        for ($number = 0; $number -lt $VM.LabMachine.SnapshotCount; $number++) {
            [pscustomobject] @{
                PSTypeName = 'Microsoft.HyperV.PowerShell.VMSnapshot'
                Name = "$($VM.Name) - ($number)"
                VMId = $VM.Id
                SnapshotType = 'Standard'
            }
        }
        return
    }
    foreach ($point in @(Invoke-Lab -Operation 'powershell_snapshots' | ForEach-Object { $_ })) {
        if ($SnapshotType -eq 'Recovery' -and [guid] $point.VMId -eq $VM.Id) {
            [pscustomobject] @{
                PSTypeName = 'Microsoft.HyperV.PowerShell.VMSnapshot'
                Id = [guid] $point.CheckpointId
                Name = $point.ElementName
                VMId = [guid] $point.VMId
                SnapshotType = 'Recovery'
                CreationTime = ConvertTo-LabTime -Text $point.CreationTime
                HardDrives = @($point.HardDrives | ForEach-Object { ConvertTo-Drive -Drive $_ -Owner ([guid] $point.VMId) })
            }
        }
    }
}

function Remove-VMSnapshot {
    # The lab removes all of a machine's at once; for the others nothing is left to do then.
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    param([Parameter(Mandatory = $true)] [object] $VMSnapshot)
    if (-not $PSCmdlet.ShouldProcess($VMSnapshot.Name)) {
        return
    }
    $begun = Invoke-Lab -Operation 'powershell_start' -Arguments @{ function = 'Start-ReconcilerUserCheckpointRemoval'; arguments = @{ VMId = "$($VMSnapshot.VMId)" } }
    if (Test-Refused -Answer $begun) {
        Write-StandInError -Cmdlet $PSCmdlet -ErrorId 'OperationFailed' -Message $begun.text
        return
    }
    [void] (Invoke-Lab -Operation 'powershell_job' -Arguments @{ RequestId = @($begun)[0].RequestId; WaitSeconds = 15 })
}

function Get-VMIntegrationService {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [object] $VM)
    foreach ($service in @($VM.LabMachine.IntegrationServices)) {
        $guid = "$($service.ComponentId)".ToUpperInvariant()
        [pscustomobject] @{
            PSTypeName = 'Microsoft.HyperV.PowerShell.VMIntegrationComponent'
            Name = Get-LocalisedText -Key $guid -English "Component $guid" -German "Komponente $guid"
            Id = "Microsoft:$("$($VM.Id)".ToUpperInvariant())\$guid"
            Enabled = [bool] $service.Enabled
            OperationalStatus = @($service.PrimaryOperationalStatus)
            PrimaryOperationalStatus = $service.PrimaryOperationalStatus
            PrimaryStatusDescription = Get-LocalisedText -Key $guid -English 'OK' -German 'In Ordnung'
        }
    }
}

function Get-VMReplication {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [string] $VMName)
    foreach ($vm in @(Get-VM -Name $VMName | Where-Object { $_.ReplicationMode -ne 'None' })) {
        [pscustomobject] @{
            PSTypeName = 'Microsoft.HyperV.PowerShell.VMReplication'
            VMId = $vm.Id
            VMName = $vm.Name
            ReplicationState = $vm.ReplicationState
            ReplicationHealth = $vm.ReplicationHealth
            ReplicationMode = $vm.ReplicationMode
            LastReplicationTime = ConvertTo-LabTime -Text $vm.LabMachine.LastReplicationTime
            LastAppliedLogTime = ConvertTo-LabTime -Text $vm.LabMachine.LastAppliedLogTime
        }
    }
}

Export-ModuleMember -Function Get-VM, Get-VMHardDiskDrive, Get-VHD, Get-VMSnapshot, Remove-VMSnapshot, Get-VMIntegrationService, Get-VMReplication, Get-VMScsiController
