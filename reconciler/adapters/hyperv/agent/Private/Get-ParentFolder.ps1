function Get-ParentFolder {
    # What stands before the last backslash of a path; an answer of the host is no path of this computer's.
    param([string] $Path)
    $end = $Path.LastIndexOf('\')
    if ($end -lt 0) {
        return ''
    }
    $Path.Substring(0, $end)
}
