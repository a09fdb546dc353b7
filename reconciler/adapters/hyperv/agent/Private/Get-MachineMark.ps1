function Get-MachineMark {
    # The note of a machine that the request of an entry made.
    param([object] $Entry)
    'reconciler {0}' -f $Entry.RequestId
}
