function Get-ShareEntry {
    # The access list of a share; nothing where there is no such share.
    param([string] $Share)
    if (-not $script:Feature['SmbShare']) {
        return
    }
    foreach ($entry in @(Get-SmbShareAccess -Name $Share -ErrorAction SilentlyContinue)) {
        [pscustomobject] @{
            Share = $Share.ToLowerInvariant()
            AccountName = "$($entry.AccountName)"
            AccessControlType = "$($entry.AccessControlType)"
            AccessRight = "$($entry.AccessRight)"
        }
    }
}
