# Planned machines and what methods of Msvm_VirtualSystemManagementService do with them. Names from
# reference/hyperv-facts.md sections 1.5 and 4.4.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

$script:PlannedMethods = @{
    ImportSystemDefinition = @('SystemDefinitionFile', 'SnapshotFolder', 'GenerateNewSystemIdentifier')
    ModifyResourceSettings = @('ResourceSettings')
    ValidatePlannedSystem = @('PlannedSystem')
    RealizePlannedSystem = @('PlannedSystem')
}

function Get-PlannedMethod {
    # The methods, with their parameters.
    $script:PlannedMethods
}

function Get-PlannedResource {
    # What planned machines are attached to, and the switches of the host.
    param([string] $ClassName)
    $found = Invoke-Lab -Operation 'powershell_planned'
    switch ($ClassName) {
        'Msvm_StorageAllocationSettingData' {
            foreach ($each in @($found.Disks)) {
                [ordered] @{ InstanceID = $each.InstanceID; ResourceType = [uint16] 31; ResourceSubType = 'Microsoft:Hyper-V:Virtual Hard Disk'; HostResource = [string[]] @($each.Path) }
            }
        }
        'Msvm_EthernetPortAllocationSettingData' {
            foreach ($each in @($found.Connections)) {
                $path = if ($each.SwitchId) { '\\{0}\root\virtualization\v2:Msvm_VirtualEthernetSwitch.CreationClassName="Msvm_VirtualEthernetSwitch",Name="{1}"' -f $env:COMPUTERNAME, $each.SwitchId } else { $null }
                [ordered] @{ InstanceID = $each.InstanceID; EnabledState = [uint16] 2; PoolID = ''; HostResource = [string[]] @($path | Where-Object { $_ }); LastKnownSwitchName = $each.Switch }
            }
        }
        'Msvm_VirtualEthernetSwitch' {
            foreach ($each in @($found.Switches)) {
                [ordered] @{ Name = $each.Id; ElementName = $each.Name }
            }
        }
    }
}

function Invoke-PlannedMethod {
    # Begin a method; its code, and its job.
    param([string] $MethodName, [System.Collections.IDictionary] $Arguments)
    $asked = switch ($MethodName) {
        'ImportSystemDefinition' {
            if ($Arguments.SnapshotFolder -or $Arguments.GenerateNewSystemIdentifier -isnot [bool]) {
                throw 'Invalid method parameter(s)'
            }
            @{ File = $Arguments.SystemDefinitionFile; IsNew = $Arguments.GenerateNewSystemIdentifier }
        }
        'ModifyResourceSettings' {
            if ($Arguments.ResourceSettings -isnot [string[]]) {
                throw 'Invalid method parameter(s)'
            }
            @{ Settings = @($Arguments.ResourceSettings | ForEach-Object { $_ | ConvertFrom-Json }) }
        }
        default {
            if ($Arguments.Values.CimClassName -ne 'Msvm_PlannedComputerSystem') {
                throw 'Invalid method parameter(s)'
            }
            @{ VMId = @($Arguments.Values)[0].Name.ToLowerInvariant() }
        }
    }
    Invoke-Lab -Operation "powershell_$MethodName" -Arguments $asked
}

Export-ModuleMember -Function Get-PlannedMethod, Get-PlannedResource, Invoke-PlannedMethod
