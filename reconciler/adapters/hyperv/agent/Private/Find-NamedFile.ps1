function Find-NamedFile {
    # Path and size of the files that have a name, whatever they end in.
    param([string] $Stem)
    $folder = Get-ParentFolder -Path $Stem
    if (-not [System.IO.Directory]::Exists($folder)) {
        return
    }
    foreach ($path in [System.IO.Directory]::GetFiles($folder, $Stem.Substring($folder.Length + 1) + '.*')) {
        [pscustomobject] @{ Path = $path; Size = [long] (New-Object -TypeName System.IO.FileInfo -ArgumentList $path).Length }
    }
}
