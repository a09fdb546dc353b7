function Join-HostPath {
    # A file below a folder, as Hyper-V names both; empty when there is no file.
    param([string] $Root, [string] $File)
    if (-not $File) {
        return ''
    }
    '{0}\{1}' -f $Root.TrimEnd('\'), $File.TrimStart('\')
}
