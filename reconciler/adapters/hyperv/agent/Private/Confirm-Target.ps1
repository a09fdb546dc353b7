function Confirm-Target {
    # End the call unless files of recovered machines may be at a path. A path is compared with
    # folders that are known, never taken apart to find one, so no spelling of it leads elsewhere.
    param(
        [System.Management.Automation.PSCmdlet] $Cmdlet,
        [string] $Path,
        [string[]] $Folders,
        [string[]] $Ending = @()
    )
    $sign = '[^\\/:*?"<>|\x00-\x1f]'
    $last = '[^\\/:*?"<>|\x00-\x1f. ]'
    $isPlain = $Path -match "^[A-Za-z]:(?:\\$sign*$last)+\z"
    $isNamedSo = $Ending.Count -eq 0 -or $Path.Substring($Path.LastIndexOf('.') + 1) -in $Ending
    if ($isPlain -and $isNamedSo) {
        foreach ($folder in @($Folders | Where-Object { $_ })) {
            # Of the root of a drive, only what is directly in it.
            $isBelow = if ($folder.Length -le 2) {
                $folder -eq (Get-ParentFolder -Path $Path)
            }
            else {
                $Path.StartsWith("$folder\", [System.StringComparison]::OrdinalIgnoreCase)
            }
            if ($isBelow) {
                return
            }
        }
    }
    Stop-Call -Cmdlet $Cmdlet -ErrorId 'PathNotAllowed' -Category 'PermissionDenied' -Target $Path -Message "$Path is in no folder of machines here"
}
