function Start-ReconcilerCreation {
    <#
    .SYNOPSIS
    Create a machine from facts alone, with its disks; it has a new id and no network.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Operation')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $RequestId,

        [Parameter(Mandatory = $true)]
        [ValidateLength(1, 100)]
        [string] $Name,

        [Parameter(Mandatory = $true)]
        [ValidateRange(1, 2)]
        [int] $Generation,

        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9]{1,3}\.[0-9]{1,3}$')]
        [string] $Version,

        [Parameter(Mandatory = $true)]
        [ValidateRange(33554432, 52776558133248)]
        [long] $MemoryBytes,

        [Parameter(Mandatory = $true)]
        [ValidateRange(1, 2048)]
        [int] $ProcessorCount,

        [Parameter(Mandatory = $true)]
        [ValidateLength(0, 32767)]
        [string] $Folder,

        [Parameter(Mandatory = $true)]
        [ValidateCount(0, 512)]
        [ValidatePattern('^(IDE|SCSI|PMEM) [0-9]{1,3}:[0-9]{1,3}=.+$')]
        [string[]] $Disk
    )

    $entry = New-JournalEntry -RequestId $RequestId -Function 'Start-ReconcilerCreation' -VMId '' -More @{
        Given = [pscustomobject] @{
            Name = $Name
            Generation = $Generation
            Version = $Version
            MemoryBytes = $MemoryBytes
            ProcessorCount = $ProcessorCount
            Folder = $Folder
            Disk = $Disk
        }
    }
    Start-Operation -Cmdlet $PSCmdlet -Entry $entry -AnyMachine -Method {
        param($Cmdlet, $Entry, $Entries)
        $folders = @(Get-TargetFolder -Entries $Entries)
        Confirm-Target -Cmdlet $Cmdlet -Path $Entry.Given.Folder -Folders $folders
        Confirm-TargetDisk -Cmdlet $Cmdlet -Lines $Entry.Given.Disk -Folders $folders
        @{ Deed = { param($Entry) New-Machine -Entry $Entry } }
    }
}
