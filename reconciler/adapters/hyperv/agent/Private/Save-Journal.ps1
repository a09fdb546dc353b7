function Save-Journal {
    # Put a text in the place of the journal: a kill leaves the old one or the new one.
    param([string] $Path, [string] $Text)
    $bytes = [System.Text.Encoding]::UTF8.GetBytes($Text)
    $draft = New-Object -TypeName System.IO.FileStream -ArgumentList "$Path.new", ([System.IO.FileMode]::Create)
    try {
        $draft.Write($bytes, 0, $bytes.Length)
        $draft.Flush($true)
    }
    finally {
        $draft.Dispose()
    }
    if ([System.IO.File]::Exists($Path)) {
        [System.IO.File]::Replace("$Path.new", $Path, [System.Management.Automation.Language.NullString]::Value)
    }
    else {
        [System.IO.File]::Move("$Path.new", $Path)
    }
}
