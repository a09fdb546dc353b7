# Stand-ins for the CIM cmdlets, over the classes that the agent asks for. Classes, properties and
# methods have the names of reference/hyperv-facts.md sections 1 and 3; any other is refused.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

$script:Embedded = @{
    Msvm_VirtualSystemSnapshotSettingData = @('ConsistencyLevel', 'GuestBackupType', 'IgnoreNonSnapshottableDisks')
}
$script:Singletons = @(
    'Msvm_VirtualSystemSnapshotService', 'Msvm_VirtualSystemReferencePointService'
    'Msvm_VirtualSystemManagementService', 'Msvm_ImageManagementService'
)
$script:Methods = @{
    CreateSnapshot = @('AffectedSystem', 'SnapshotSettings', 'SnapshotType')
    DestroySystem = @('AffectedSystem')
    DestroySnapshot = @('AffectedSnapshot')
    ConvertToReferencePoint = @('AffectedSnapshot', 'ReferencePointSettings')
    DestroyReferencePoint = @('AffectedReferencePoint')
    ModifySystemSettings = @('SystemSettings')
    GetVirtualDiskChanges = @('Path', 'LimitId', 'TargetSnapshotId', 'ByteOffset', 'ByteLength')
    RequestStateChange = @('RequestedState')
    EnumKey = @('hDefKey', 'sSubKeyName')
    GetDWORDValue = @('hDefKey', 'sSubKeyName', 'sValueName')
    GetStringValue = @('hDefKey', 'sSubKeyName', 'sValueName')
}
foreach ($part in 'Planned', 'Registry') {
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath "$part.psm1")
}
foreach ($pair in (Get-PlannedMethod).GetEnumerator()) {
    $script:Methods[$pair.Key] = $pair.Value
}
$script:Attached = 'Msvm_StorageAllocationSettingData', 'Msvm_EthernetPortAllocationSettingData', 'Msvm_VirtualEthernetSwitch'

# What came with Server 2016. Source: minimum supported server of each class and method.
$script:Since2016 = @(
    'Msvm_VirtualSystemSnapshotSettingData', 'Msvm_VirtualSystemReferencePoint', 'Msvm_VirtualSystemReferencePointService'
    'ConvertToReferencePoint', 'DestroyReferencePoint', 'GetVirtualDiskChanges'
)
$script:JobStates = @{
    New = 2; Starting = 3; Running = 4; Suspended = 5; ShuttingDown = 6; Completed = 7; Terminated = 8
    Killed = 9; Exception = 10; Service = 11; QueryPending = 12; CompletedWithWarnings = 32768
}

function Test-Known {
    # Whether this Windows has a class or method.
    param([string] $Name)
    $Name -notin $script:Since2016 -or (Get-LabBuild) -ge 14393
}

function New-Instance {
    param([string] $ClassName, [System.Collections.IDictionary] $Property)
    $instance = [pscustomobject] $Property
    $instance.PSObject.TypeNames.Insert(0, "Microsoft.Management.Infrastructure.CimInstance#$ClassName")
    Add-Member -InputObject $instance -MemberType NoteProperty -Name 'CimClassName' -Value $ClassName -PassThru
}

function Get-Look {
    param([string] $Function)
    Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = $Function; arguments = @{} } | ForEach-Object { $_ }
}

function Get-System {
    param([bool] $IsPlanned)
    foreach ($machine in @(Invoke-Lab -Operation 'powershell_machines' | ForEach-Object { $_ })) {
        if (($machine.VirtualMachineType -eq 'PlannedVirtualMachine') -eq $IsPlanned) {
            [ordered] @{ Name = "$($machine.VMId)".ToUpperInvariant(); ElementName = $machine.Name; ReplicationMode = 0 }
        }
    }
}

function Get-Job {
    param([string] $InstanceId)
    $found = Invoke-Lab -Operation 'powershell_job' -Arguments @{ RequestId = $InstanceId; WaitSeconds = 0 }
    if (Test-Refused -Answer $found) {
        return
    }
    $job = @($found)[0]
    [ordered] @{
        InstanceID = $InstanceId
        JobType = 70
        JobState = $script:JobStates[$job.State]
        PercentComplete = [uint16] $job.PercentComplete
        ErrorCode = $job.ErrorCode
        ErrorDescription = Get-LocalisedText -Key $InstanceId -English $job.ErrorDescription -German "Fehler: $($job.ErrorDescription)"
    }
}

function Get-RawInstance {
    param([string] $ClassName, [hashtable] $Wanted)
    switch ($ClassName) {
        'Win32_OperatingSystem' {
            $facts = @(Get-Look -Function 'Get-ReconcilerHost')[0]
            [ordered] @{ CSName = $facts.ComputerName; BuildNumber = "$($facts.OSBuild)"; LastBootUpTime = ConvertTo-LabTime -Text $facts.LastBootUpTime; Caption = 'Microsoft Windows Server' }
        }
        'Win32_Service' {
            $facts = @(Get-Look -Function 'Get-ReconcilerHost')[0]
            if (Microsoft.PowerShell.Core\Get-Module -Name 'Hyper-V' -ListAvailable) {
                [ordered] @{ Name = 'vmms'; StartMode = 'Auto'; State = 'Running' }
            }
            [ordered] @{ Name = 'ClusSvc'; StartMode = if ($facts.ClusterName) { 'Auto' } else { 'Disabled' }; State = 'Running' }
        }
        'Win32_Volume' {
            [ordered] @{ Name = '\\?\Volume{11111111-0000-0000-0000-100000000000}\'; Capacity = [uint64] 104853504; FreeSpace = [uint64] 1024; DriveType = 3 }
            foreach ($volume in @(Get-Look -Function 'Get-ReconcilerVolume' | Where-Object { -not $_.IsClusterShared })) {
                [ordered] @{ Name = $volume.Path; Capacity = [uint64] $volume.Size; FreeSpace = [uint64] $volume.SizeRemaining; DriveType = 3 }
            }
        }
        'Msvm_ComputerSystem' { Get-System -IsPlanned $false }
        'Msvm_PlannedComputerSystem' { Get-System -IsPlanned $true }
        'Msvm_ConcreteJob' { Get-Job -InstanceId $Wanted['InstanceID'] }
        'Msvm_VirtualSystemSettingData' {
            foreach ($machine in @(Invoke-Lab -Operation 'powershell_machines' | ForEach-Object { $_ })) {
                [ordered] @{
                    InstanceID = "Microsoft:$("$($machine.VMId)".ToUpperInvariant())"
                    ConfigurationID = "$($machine.VMId)".ToUpperInvariant()
                    VirtualSystemIdentifier = "$($machine.VMId)".ToUpperInvariant()
                    VirtualSystemType = 'Microsoft:Hyper-V:System:Realized'
                    ElementName = $machine.Name
                    Version = $machine.Version
                }
            }
            $configurations = @(Invoke-Lab -Operation 'powershell_configurations' | ForEach-Object { $_ })
            foreach ($point in @(Invoke-Lab -Operation 'powershell_snapshots' | ForEach-Object { $_ })) {
                $kept = @($configurations | Where-Object { $_.CheckpointId -eq $point.CheckpointId })[0]
                [ordered] @{
                    InstanceID = "Microsoft:$("$($point.CheckpointId)".ToUpperInvariant())"
                    ConfigurationID = "$($point.CheckpointId)".ToUpperInvariant()
                    VirtualSystemIdentifier = "$($point.VMId)".ToUpperInvariant()
                    VirtualSystemType = 'Microsoft:Hyper-V:Snapshot:Recovery'
                    ElementName = $point.ElementName
                    Version = ''
                    ConfigurationDataRoot = $kept.ConfigurationDataRoot
                    ConfigurationFile = $kept.ConfigurationFile
                    GuestStateDataRoot = if ($kept.GuestStateFile) { $kept.ConfigurationDataRoot } else { '' }
                    GuestStateFile = $kept.GuestStateFile
                }
            }
        }
        'Msvm_VirtualSystemReferencePoint' {
            foreach ($point in @(Invoke-Lab -Operation 'powershell_reference_points' | ForEach-Object { $_ })) {
                [ordered] @{
                    InstanceID = $point.InstanceID
                    VirtualSystemIdentifier = "$($point.VMId)".ToUpperInvariant()
                    ReferencePointType = [uint16] 2
                    ConsistencyLevel = [uint16] 2
                    HasAssociatedData = $false
                    VirtualDiskIdentifiers = @($point.Disks | ForEach-Object { $_.Id -replace '\\D$', '\L' })
                    ResilientChangeTrackingIdentifiers = @($point.Disks | ForEach-Object { $_.RctId })
                }
            }
        }
        default {
            if ($ClassName -in $script:Attached) {
                return Get-PlannedResource -ClassName $ClassName
            }
            if ($ClassName -notin $script:Singletons) {
                throw "Invalid class $ClassName"
            }
            [ordered] @{ Name = $ClassName }
        }
    }
}

function ConvertFrom-Filter {
    # The conditions of a filter that is equalities joined by AND.
    param([string] $Filter)
    $wanted = @{}
    foreach ($condition in ($Filter -split ' AND ')) {
        if ($condition -notmatch "^(\w+)=(?:'(.*)'|(\d+))$") {
            throw "Invalid query: $Filter"
        }
        $text = if ($Matches[2]) { $Matches[2] -replace '\\(.)', '$1' } else { $Matches[3] }
        $wanted[$Matches[1]] = $text
    }
    $wanted
}

function Get-CimInstance {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [string] $ClassName,
        [string] $Namespace = 'root/cimv2',
        [string] $Filter
    )
    if ($ClassName.StartsWith('Msvm_') -ne ($Namespace -eq 'root\virtualization\v2')) {
        throw "Invalid namespace $Namespace of $ClassName"
    }
    if (-not (Test-Known -Name $ClassName)) {
        Write-StandInError -Cmdlet $PSCmdlet -ErrorId 'HRESULT 0x80041010' -Message 'Invalid class '
        return
    }
    $wanted = if ($Filter) { ConvertFrom-Filter -Filter $Filter } else { @{} }
    foreach ($property in @(Get-RawInstance -ClassName $ClassName -Wanted $wanted)) {
        $isWanted = $true
        foreach ($name in $wanted.Keys) {
            if (-not $property.Contains($name)) {
                throw "Invalid query: $ClassName has no property $name"
            }
            $isWanted = $isWanted -and "$($property[$name])" -eq $wanted[$name]
        }
        if ($isWanted) {
            New-Instance -ClassName $ClassName -Property $property
        }
    }
}

function Get-CimAssociatedInstance {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [object] $InputObject,
        [string] $Association,
        [Parameter(Mandatory = $true)] [ValidateSet('Msvm_KvpExchangeComponent', 'Msvm_ConcreteJob', 'Msvm_PlannedComputerSystem')] [string] $ResultClassName
    )
    if ($ResultClassName -eq 'Msvm_PlannedComputerSystem') {
        $about = "$(Invoke-Lab -Operation 'powershell_affected' -Arguments @{ Job = $InputObject.InstanceID })"
        return Get-CimInstance -Namespace 'root\virtualization\v2' -ClassName $ResultClassName | Where-Object { $_.Name -eq $about }
    }
    $machines = @(Invoke-Lab -Operation 'powershell_machines' | ForEach-Object { $_ })
    $machine = @($machines | Where-Object { $_.VMId -eq $InputObject.Name })[0]
    if ($ResultClassName -eq 'Msvm_ConcreteJob') {
        foreach ($job in @($machine.Jobs)) {
            New-Instance -ClassName $ResultClassName -Property ([ordered] @{ InstanceID = [guid]::NewGuid().ToString().ToUpperInvariant(); JobType = [uint16] $job.JobType; JobState = $script:JobStates[$job.JobState]; PercentComplete = 50 })
        }
        return
    }
    $items = @(
        foreach ($pair in @{ OSName = $machine.GuestOSName; OSPlatformId = '2' }.GetEnumerator()) {
            if ($machine.GuestOSName) {
                '<INSTANCE CLASSNAME="Msvm_KvpExchangeDataItem"><PROPERTY NAME="Data" TYPE="string"><VALUE>{1}</VALUE></PROPERTY><PROPERTY NAME="Name" TYPE="string"><VALUE>{0}</VALUE></PROPERTY></INSTANCE>' -f $pair.Key, [System.Security.SecurityElement]::Escape($pair.Value)
            }
        }
    )
    New-Instance -ClassName $ResultClassName -Property ([ordered] @{ GuestIntrinsicExchangeItems = $items })
}

function Get-CimClass {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [string] $ClassName, [string] $Namespace)
    if (-not ($script:Embedded.ContainsKey($ClassName) -or $ClassName -in 'Msvm_VirtualSystemReferencePoint')) {
        throw "Invalid class $ClassName"
    }
    if (-not (Test-Known -Name $ClassName)) {
        Write-StandInError -Cmdlet $PSCmdlet -ErrorId 'HRESULT 0x80041002' -Message 'Not found '
        return
    }
    # GuestBackupType came with 1703.
    $names = @($script:Embedded[$ClassName] | Where-Object { $_ -and ($_ -ne 'GuestBackupType' -or (Get-LabBuild) -ge 15063) })
    [pscustomobject] @{ CimClassName = $ClassName; CimClassProperties = @($names | ForEach-Object { [pscustomobject] @{ Name = $_ } }) }
}

function New-CimInstance {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true)] [object] $CimClass, [hashtable] $Property, [Parameter(Mandatory = $true)] [switch] $ClientOnly)
    foreach ($name in $Property.Keys) {
        if ($name -notin $script:Embedded[$CimClass.CimClassName]) {
            throw "The property $name does not exist in $($CimClass.CimClassName)."
        }
    }
    New-Instance -ClassName $CimClass.CimClassName -Property $Property
}

function Start-LabJob {
    param([string] $Function, [hashtable] $Arguments)
    $found = Invoke-Lab -Operation 'powershell_start' -Arguments @{ function = $Function; arguments = $Arguments }
    if (Test-Refused -Answer $found) {
        $codes = @{ MachineBusy = 32774; MachineNotOff = 32775; MachineHasCheckpoints = 32775; VMNotFound = 32777; CheckpointNotFound = 32773; ReferencePointNotFound = 32773 }
        return [pscustomobject] @{ ReturnValue = [uint32] $codes[$found.refused]; Job = $null }
    }
    [pscustomobject] @{ ReturnValue = [uint32] 4096; Job = New-Instance -ClassName 'Msvm_ConcreteJob' -Property ([ordered] @{ InstanceID = @($found)[0].RequestId }) }
}

function Invoke-CimMethod {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true, ParameterSetName = 'Instance')] [object] $InputObject,
        [Parameter(Mandatory = $true, ParameterSetName = 'Class')] [ValidateSet('StdRegProv')] [string] $ClassName,
        [Parameter(ParameterSetName = 'Class')] [ValidateSet('root/cimv2')] [string] $Namespace = 'root/cimv2',
        [Parameter(Mandatory = $true)] [string] $MethodName,
        [System.Collections.IDictionary] $Arguments = @{}
    )
    if (-not ($script:Methods.ContainsKey($MethodName) -and (Test-Known -Name $MethodName))) {
        throw "Invalid method $MethodName"
    }
    foreach ($name in $Arguments.Keys) {
        if ($name -notin $script:Methods[$MethodName]) {
            throw "Invalid method parameter $name of $MethodName"
        }
    }
    if ($ClassName) {
        return Read-Registry -MethodName $MethodName -Arguments $Arguments
    }
    $isPlanned = $MethodName -eq 'DestroySystem' -and $Arguments.AffectedSystem.CimClassName -eq 'Msvm_PlannedComputerSystem'
    if ($isPlanned -or (Get-PlannedMethod).ContainsKey($MethodName)) {
        if ($InputObject.CimClassName -ne 'Msvm_VirtualSystemManagementService') {
            throw "Invalid method $MethodName of $($InputObject.CimClassName)"
        }
        $job = Invoke-PlannedMethod -MethodName $MethodName -Arguments $Arguments
        return [pscustomobject] @{ ReturnValue = [uint32] 4096; Job = New-Instance -ClassName 'Msvm_ConcreteJob' -Property ([ordered] @{ InstanceID = $job }); ImportedSystem = $null }
    }
    switch ("$($InputObject.CimClassName).$MethodName") {
        'Msvm_VirtualSystemSnapshotService.CreateSnapshot' {
            if ($Arguments.SnapshotType -ne 32768) {
                throw "SnapshotType $($Arguments.SnapshotType) is no recovery snapshot"
            }
            $level = 'Crash'
            if (Test-Known -Name 'Msvm_VirtualSystemSnapshotSettingData') {
                $settings = $Arguments.SnapshotSettings | ConvertFrom-Json
                $level = @{ 1 = 'Application'; 2 = 'Crash' }[[int] $settings.ConsistencyLevel]
            }
            elseif ($Arguments.SnapshotSettings) {
                throw 'Invalid method parameter SnapshotSettings'
            }
            Start-LabJob -Function 'Start-ReconcilerCheckpoint' -Arguments @{ VMId = $Arguments.AffectedSystem.Name.ToLowerInvariant(); ConsistencyLevel = $level }
        }
        'Msvm_VirtualSystemSnapshotService.DestroySnapshot' {
            $point = $Arguments.AffectedSnapshot
            Start-LabJob -Function 'Start-ReconcilerCheckpointRemoval' -Arguments @{ VMId = $point.VirtualSystemIdentifier.ToLowerInvariant(); CheckpointId = $point.ConfigurationID.ToLowerInvariant() }
        }
        'Msvm_VirtualSystemSnapshotService.ConvertToReferencePoint' {
            $point = $Arguments.AffectedSnapshot
            Start-LabJob -Function 'Start-ReconcilerConversion' -Arguments @{ VMId = $point.VirtualSystemIdentifier.ToLowerInvariant(); CheckpointId = $point.ConfigurationID.ToLowerInvariant() }
        }
        'Msvm_VirtualSystemReferencePointService.DestroyReferencePoint' {
            $point = $Arguments.AffectedReferencePoint
            Start-LabJob -Function 'Start-ReconcilerReferencePointRemoval' -Arguments @{ VMId = $point.VirtualSystemIdentifier.ToLowerInvariant(); ReferencePointId = $point.InstanceID }
        }
        'Msvm_VirtualSystemManagementService.ModifySystemSettings' {
            $settings = $Arguments.SystemSettings | ConvertFrom-Json
            $found = Invoke-Lab -Operation 'powershell_rename' -Arguments @{ checkpoint = $settings.ConfigurationID.ToLowerInvariant(); name = $settings.ElementName }
            [pscustomobject] @{ ReturnValue = [uint32] $(if (Test-Refused -Answer $found) { 32773 } else { 0 }); Job = $null }
        }
        'Msvm_VirtualSystemManagementService.DestroySystem' {
            Start-LabJob -Function 'Start-ReconcilerMachineRemoval' -Arguments @{ VMId = $Arguments.AffectedSystem.Name.ToLowerInvariant() }
        }
        'Msvm_ImageManagementService.GetVirtualDiskChanges' {
            $found = Invoke-Lab -Operation 'powershell_changes' -Arguments @{ Path = $Arguments.Path; LimitId = $Arguments.LimitId; Offset = [long] $Arguments.ByteOffset; Length = [long] $Arguments.ByteLength }
            if (Test-Refused -Answer $found) {
                $codes = @{ DiskNotFound = 32779; TrackingUnknown = 32773 }
                return [pscustomobject] @{ ReturnValue = [uint32] $codes[$found.refused]; Job = $null }
            }
            [pscustomobject] @{
                ReturnValue = [uint32] 0
                ProcessedByteLength = [uint64] $found.ProcessedByteLength
                ChangedByteOffsets = [uint64[]] @($found.ChangedByteOffsets)
                ChangedByteLengths = [uint64[]] @($found.ChangedByteLengths)
                Job = $null
            }
        }
        'Msvm_ComputerSystem.RequestStateChange' {
            $states = @{ 2 = 'Running'; 3 = 'Off'; 6 = 'Saved' }
            Start-LabJob -Function 'Start-ReconcilerStateChange' -Arguments @{ VMId = $InputObject.Name.ToLowerInvariant(); TargetState = $states[[int] $Arguments.RequestedState] }
        }
        'Msvm_ConcreteJob.RequestStateChange' {
            [void] (Invoke-Lab -Operation 'powershell_stop' -Arguments @{ RequestId = $InputObject.InstanceID })
            [pscustomobject] @{ ReturnValue = [uint32] 0 }
        }
        default {
            throw "Invalid method $MethodName of $($InputObject.CimClassName)"
        }
    }
}

Export-ModuleMember -Function Get-CimInstance, Get-CimAssociatedInstance, Get-CimClass, New-CimInstance, Invoke-CimMethod
