function Find-PlannedMachine {
    # Note in an import's entry which planned machine it made: what its job is about. When that job is
    # gone, one of the wanted id that nothing else is at: there was none when the import began.
    param([object] $Entry, [object] $Job)
    if ($null -ne $Job) {
        $about = Get-AffectedPlanned -Job $Job
        if ($about) {
            $Entry.PlannedId = $about
        }
    }
    elseif (-not $Entry.PlannedId -and $Entry.Target -eq 'Keep') {
        foreach ($system in @(Get-PlannedSystem -Id $Entry.VMId)) {
            if (-not @(Get-UnfinishedJob -System $system)) {
                $Entry.PlannedId = $Entry.VMId
            }
        }
    }
    if (-not $Entry.PlannedId) {
        throw 'no planned machine of this import is known; one may be left'
    }
    if ($Entry.Target -eq 'Keep' -and $Entry.PlannedId -ne $Entry.VMId) {
        throw "the files are those of $($Entry.PlannedId)"
    }
}
