function Complete-Pending {
    # End what has ended meanwhile, so that checkpoints which nobody asked for have their names.
    Use-Journal -Block {
        param($Entries)
        foreach ($entry in @($Entries.Values)) {
            Update-Operation -Entry $entry
        }
    }
}
