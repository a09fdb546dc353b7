function Start-ReconcilerImport {
    <#
    .SYNOPSIS
    Import a machine from its configuration file, with its disks at the given paths.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Operation')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $RequestId,

        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $VMId,

        [Parameter(Mandatory = $true)]
        [ValidateLength(0, 32767)]
        [string] $ConfigurationPath,

        [Parameter(Mandatory = $true)]
        [ValidateCount(0, 512)]
        [ValidatePattern('^(IDE|SCSI|PMEM) [0-9]{1,3}:[0-9]{1,3}=.+$')]
        [string[]] $Disk,

        [Parameter(Mandatory = $true)]
        [ValidateSet('Keep', 'New')]
        [string] $Identity,

        [Parameter(Mandatory = $true)]
        [ValidateSet('Refuse', 'Disconnect')]
        [string] $MissingSwitch
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerImport' -VMId $VMId -More @{
        Target = $Identity
        Step = 'Define'
        Given = [pscustomobject] @{ ConfigurationPath = $ConfigurationPath; Disk = $Disk; MissingSwitch = $MissingSwitch }
    }
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -AnyMachine -Method {
        param($Cmdlet, $Entry, $Entries)
        Confirm-Import -Cmdlet $Cmdlet -Entry $Entry -Folders @(Get-TargetFolder -Entries $Entries)
        @{
            InputObject = Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemManagementService'
            MethodName = 'ImportSystemDefinition'
            Arguments = @{
                SystemDefinitionFile = $Entry.Given.ConfigurationPath
                SnapshotFolder = ''
                GenerateNewSystemIdentifier = $Entry.Target -eq 'New'
            }
        }
    }
}
