# The protection agent: one file for each function that it exports, one for each that they share.
# Windows PowerShell 5.1. Nothing is decided here: what there is is told, what is asked is done.

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

$script:AgentVersion = '1.1.0'
$script:ContractVersion = 2
$script:VirtualizationNamespace = 'root\virtualization\v2'
$script:KeptOperations = 512
$script:MaximumReadBytes = 4194304
$script:MaximumRanges = 4096
$script:MaximumExtents = 16384
$script:MaximumWaitSeconds = 15
# What methods of Hyper-V answer to what they cannot do.
$script:NotSupported = 32770

# Change tracking lies beside its disk, and goes where that goes.
$script:SideFiles = @('', '.rct', '.mrt')

# Paths that were seen to be those of disk files, of configuration files that checkpoints keep, and of disks that they keep.
$script:DiskFiles = New-Object -TypeName 'System.Collections.Generic.HashSet[string]' -ArgumentList ([System.StringComparer]::OrdinalIgnoreCase)
$script:ConfigurationFiles = New-Object -TypeName 'System.Collections.Generic.HashSet[string]' -ArgumentList ([System.StringComparer]::OrdinalIgnoreCase)
$script:CheckpointDisks = New-Object -TypeName 'System.Collections.Generic.HashSet[string]' -ArgumentList ([System.StringComparer]::OrdinalIgnoreCase)

# Constrained sessions load no module by themselves.
foreach ($name in 'CimCmdlets', 'Microsoft.PowerShell.Diagnostics') {
    Import-Module -Name $name
}
# Which classes Hyper-V has, as far as anybody asked.
$script:Classes = @{}
# Features that a host may lack, and a file server Hyper-V itself.
$script:Feature = @{}
foreach ($name in 'Hyper-V', 'FailoverClusters', 'BitLocker', 'Deduplication', 'NetTCPIP', 'SmbShare', 'ServerManager') {
    $script:Feature[$name] = [bool](Microsoft.PowerShell.Core\Get-Module -Name $name -ListAvailable)
    if ($script:Feature[$name]) {
        Import-Module -Name $name
    }
}

foreach ($folder in 'Private', 'Public') {
    foreach ($file in [System.IO.Directory]::GetFiles("$PSScriptRoot/$folder", '*.ps1')) {
        . $file
    }
}
