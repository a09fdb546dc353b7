function Get-ReconcilerAgentFile {
    <#
    .SYNOPSIS
    The files of the agent's module, and its role capability if it is installed with one.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.AgentFile')]
    param()

    $module = [System.IO.Path]::GetDirectoryName($PSScriptRoot)
    $all = [System.IO.SearchOption]::AllDirectories
    $found = @([System.IO.Directory]::GetFiles($module, '*.ps*1', $all) | ForEach-Object {
            [pscustomobject] @{ Path = $_.Substring($module.Length + 1).Replace('\', '/'); File = $_ }
        })
    # PowerShell looks for it beside the versions of the module.
    $role = [System.IO.Path]::Combine([System.IO.Path]::GetDirectoryName($module), 'RoleCapabilities', 'ReconcilerAgent.psrc')
    if ([System.IO.File]::Exists($role)) {
        $found += [pscustomobject] @{ Path = 'RoleCapabilities/ReconcilerAgent.psrc'; File = $role }
    }
    $sha256 = New-Sha256
    try {
        foreach ($each in $found) {
            $bytes = [System.IO.File]::ReadAllBytes($each.File)
            [pscustomobject] @{
                PSTypeName = 'Reconciler.AgentFile'
                Path = $each.Path
                Size = [long] $bytes.Length
                Sha256 = [System.BitConverter]::ToString($sha256.ComputeHash($bytes)).Replace('-', '').ToLowerInvariant()
            }
        }
    }
    finally {
        $sha256.Dispose()
    }
}
