# The functions of the agent's module whose core needs Windows: replaced inside the module, and
# listed in its README. Everything else of the module runs as it is.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

& (Microsoft.PowerShell.Core\Get-Module -Name ReconcilerAgent) {
    Import-Module -Name LabDoor
    function script:ConvertTo-CimText {
        # Embedded instances need libmi: here they are the names and values of their properties.
        param([object] $InputObject)
        ConvertTo-Json -InputObject $InputObject -Compress
    }
    function script:Get-LocalPath {
        # The host's path is no path of this computer.
        param([string] $Path)
        Invoke-Lab -Operation 'powershell_local' -Arguments @{ Path = $Path }
    }
    function script:Open-DiskFile {
        # The host's path is no path of this computer.
        param([string] $Path)
        $files = @(Invoke-Lab -Operation 'powershell_files' | ForEach-Object { $_ })
        $files += @(Invoke-Lab -Operation 'powershell_configurations' | ForEach-Object { $_ } | ForEach-Object { $_.Files })
        $found = @($files | Where-Object { $_.Path -eq $Path })
        if (-not $found) {
            throw [System.IO.FileNotFoundException]::new("Could not find file '$Path'.", $Path)
        }
        $share = [System.IO.FileShare]::ReadWrite -bor [System.IO.FileShare]::Delete
        [System.IO.FileStream]::new($found[0].Local, [System.IO.FileMode]::Open, [System.IO.FileAccess]::Read, $share)
    }
    function script:Find-NamedFile {
        # The host's folders are no folders of this computer.
        param([string] $Stem)
        foreach ($file in @(Invoke-Lab -Operation 'powershell_configurations' | ForEach-Object { $_ } | ForEach-Object { $_.Files })) {
            $here = [System.IO.FileInfo]::new($file.Local)
            if ($here.Exists -and $file.Path.StartsWith("$Stem.", [System.StringComparison]::OrdinalIgnoreCase)) {
                [pscustomobject] @{ Path = $file.Path; Size = [long] $here.Length }
            }
        }
    }
}
Export-ModuleMember -Function @()
