function Lock-Journal {
    # One process or runspace at a time; disposing of what comes back lets the next one in.
    param([string] $Path, [int] $Seconds = 30)
    $limit = [datetime]::UtcNow.AddSeconds($Seconds)
    while ($true) {
        try {
            return New-Object -TypeName System.IO.FileStream -ArgumentList $Path, ([System.IO.FileMode]::OpenOrCreate), ([System.IO.FileAccess]::ReadWrite), ([System.IO.FileShare]::None)
        }
        catch {
            if ([datetime]::UtcNow -ge $limit) {
                throw
            }
        }
        Start-Sleep -Milliseconds 20
    }
}
