# One flat session configuration, of a registered one and of its role capabilities: standard streams
# take no role definitions. Role capabilities are looked for where PowerShell looks for them.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$registered = Import-PowerShellDataFile -Path $env:COMPOSE_FROM
$modules = @()
$functions = @()
foreach ($definition in $registered.RoleDefinitions.Values) {
    foreach ($role in $definition.RoleCapabilities) {
        $file = $env:PSModulePath -split [System.IO.Path]::PathSeparator |
            Where-Object { Test-Path -Path $_ } |
            ForEach-Object { Get-ChildItem -Path $_ -Directory } |
            ForEach-Object { Join-Path -Path $_.FullName -ChildPath "RoleCapabilities/$role.psrc" } |
            Where-Object { Test-Path -Path $_ } |
            Select-Object -First 1
        if (-not $file) {
            throw "Could not find the role capability, '$role'. The role capability must be a file named '$role.psrc' within a 'RoleCapabilities' directory in a module in the current module path."
        }
        $capability = Import-PowerShellDataFile -Path $file
        $modules += $capability.ModulesToImport
        $functions += $capability.VisibleFunctions
    }
}
$flat = @{
    Path = "$env:COMPOSE_TO.new.pssc"
    SessionType = $registered.SessionType
    LanguageMode = $registered.LanguageMode
    ModulesToImport = @($modules) + $env:COMPOSE_MODULE
    VisibleFunctions = $functions
}
New-PSSessionConfigurationFile @flat
[System.IO.File]::Move($flat.Path, $env:COMPOSE_TO, $true)
