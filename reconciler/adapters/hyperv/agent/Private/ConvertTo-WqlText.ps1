function ConvertTo-WqlText {
    # A text as it stands between quotes in a filter.
    param([string] $Text)
    $Text.Replace('\', '\\').Replace("'", "\'")
}
