function ConvertTo-JournalText {
    # A journal as text: everything that has not ended, and the newest of what has.
    param([System.Collections.IDictionary] $Entries)
    $ended = @($Entries.Values | Where-Object { Test-OperationEnded -State $_.State })
    for ($number = 0; $number -lt $ended.Count - $script:KeptOperations; $number++) {
        $Entries.Remove($ended[$number].RequestId)
    }
    ConvertTo-Json -InputObject @{ Version = 1; Entries = @($Entries.Values) } -Depth 5 -Compress
}
