function ConvertTo-UtcText {
    # ISO 8601 in UTC; null for a time that was never set.
    param([object] $Time)
    if ($null -eq $Time -or ([datetime] $Time).Year -lt 1602) {
        return $null
    }
    $utc = ([datetime] $Time).ToUniversalTime()
    $utc.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'+00:00'", [System.Globalization.CultureInfo]::InvariantCulture)
}
