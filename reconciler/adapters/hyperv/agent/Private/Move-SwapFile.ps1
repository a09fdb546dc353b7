function Move-SwapFile {
    # Rename or delete a disk file, and what lies beside it; what is done already stays so.
    param([object] $Entry)
    $ends = Get-SwapEnd -Entry $Entry
    foreach ($suffix in $script:SideFiles) {
        $from = Get-LocalPath -Path ($ends['From'] + $suffix)
        if (-not [System.IO.File]::Exists($from)) {
            continue
        }
        if (-not $ends['To']) {
            [System.IO.File]::Delete($from)
        }
        else {
            # Refuses to overwrite.
            [System.IO.File]::Move($from, (Get-LocalPath -Path ($ends['To'] + $suffix)))
        }
    }
}
