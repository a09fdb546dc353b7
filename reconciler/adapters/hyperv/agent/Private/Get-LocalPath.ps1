function Get-LocalPath {
    # Where a file of the host is, as this computer spells it: the one place where they could differ.
    param([string] $Path)
    $Path
}
