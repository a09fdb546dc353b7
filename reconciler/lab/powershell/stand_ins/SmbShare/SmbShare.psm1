# A stand-in for the SmbShare module. Names from hyperv-facts.md section 3.4.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function Get-SmbShareAccess {
    [CmdletBinding()]
    param([Parameter(Mandatory = $true, Position = 0)] [string[]] $Name)
    $told = @(Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerRequirement'; arguments = @{ Share = $Name } } | ForEach-Object { $_ })[0]
    if (-not @($told.ShareAccess)) {
        Write-StandInError -Cmdlet $PSCmdlet -ErrorId 'CmdletizationQuery_NotFound_Name' -Message "No MSFT_SMBShare objects found with property 'Name' equal to '$Name'."
    }
    foreach ($entry in @($told.ShareAccess)) {
        [pscustomobject] @{ Name = $entry.Share; ScopeName = '*'; AccountName = $entry.AccountName; AccessControlType = $entry.AccessControlType; AccessRight = $entry.AccessRight }
    }
}

Export-ModuleMember -Function Get-SmbShareAccess
