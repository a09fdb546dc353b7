function Test-AgentFile {
    # Whether a file is there; only for paths that were checked.
    param([string] $Path)
    [System.IO.File]::Exists((Get-LocalPath -Path $Path))
}
