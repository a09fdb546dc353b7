function Use-Journal {
    # Run a block with the host's journal of requests, alone; what it changed is kept, also when it
    # ends the call. The block gets an ordered dictionary of entries by request id, oldest first.
    param([scriptblock] $Block, [object[]] $ArgumentList = @())
    $path = Get-JournalPath
    $lock = Lock-Journal -Path "$path.lock"
    try {
        $entries = Read-Journal -Path $path
        $before = ConvertTo-JournalText -Entries $entries
        try {
            & $Block $entries @ArgumentList
        }
        finally {
            $after = ConvertTo-JournalText -Entries $entries
            if ($after -cne $before) {
                Save-Journal -Path $path -Text $after
            }
        }
    }
    finally {
        $lock.Dispose()
    }
}
