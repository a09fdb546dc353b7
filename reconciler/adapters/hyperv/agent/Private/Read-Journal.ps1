function Read-Journal {
    # The entries of a journal. One that cannot be read is put aside: its requests are unknown then.
    param([string] $Path)
    $entries = [ordered] @{}
    if (-not [System.IO.File]::Exists($Path)) {
        return $entries
    }
    try {
        $found = [System.IO.File]::ReadAllText($Path) | ConvertFrom-Json
        foreach ($entry in @($found.Entries)) {
            $entries[$entry.RequestId] = Complete-JournalEntry -Entry $entry
        }
    }
    catch {
        [System.IO.File]::Copy($Path, "$Path.unreadable", $true)
        $entries = [ordered] @{}
    }
    $entries
}
