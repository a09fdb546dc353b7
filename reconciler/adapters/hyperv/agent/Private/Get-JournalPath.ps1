function Get-JournalPath {
    # Where the journal of requests is; its folder is made if it is not there.
    $folder = [System.IO.Path]::Combine($env:ProgramData, 'ReconcilerAgent')
    [void] [System.IO.Directory]::CreateDirectory($folder)
    [System.IO.Path]::Combine($folder, 'journal.json')
}
