function Get-SwapEnd {
    # From where to where a swap renames; to nowhere when it deletes, which only files with the mark are.
    param([object] $Entry)
    $path = $Entry.Given.Path
    $old = '{0}.{1}.old' -f $path, $Entry.Given.Mark
    $new = '{0}.{1}.new' -f $path, $Entry.Given.Mark
    switch ($Entry.Target) {
        'Aside' { @{ From = $path; To = $old } }
        'Place' { @{ From = $new; To = $path } }
        'Withdraw' { @{ From = $path; To = $new } }
        'Back' { @{ From = $old; To = $path } }
        'DeleteOld' { @{ From = $old; To = '' } }
        'DeleteNew' { @{ From = $new; To = '' } }
    }
}
