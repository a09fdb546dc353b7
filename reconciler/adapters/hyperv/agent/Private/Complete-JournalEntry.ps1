function Complete-JournalEntry {
    # An entry that an older version of the module wrote, with what entries have since.
    param([object] $Entry)
    if ($null -ne $Entry.PSObject.Properties['Given']) {
        return $Entry
    }
    $more = @{}
    foreach ($property in $Entry.PSObject.Properties) {
        $more[$property.Name] = $property.Value
    }
    New-JournalEntry -RequestId $Entry.RequestId -Function $Entry.Function -VMId $Entry.VMId -More $more
}
