# A stand-in for the Deduplication module. Names from hyperv-facts.md section 3.4.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function Get-DedupVolume {
    [CmdletBinding()]
    param()
    foreach ($volume in @(Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerVolume'; arguments = @{} } | ForEach-Object { $_ } | Where-Object { $_.DedupEnabled })) {
        [pscustomobject] @{ Volume = $volume.Path.TrimEnd('\'); Enabled = $true; SavedSpace = [uint64] 0 }
    }
}

Export-ModuleMember -Function Get-DedupVolume
