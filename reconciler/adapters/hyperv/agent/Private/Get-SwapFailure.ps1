function Get-SwapFailure {
    # Why a swap was not made; empty if it was.
    param([object] $Entry)
    $ends = Get-SwapEnd -Entry $Entry
    foreach ($suffix in $script:SideFiles) {
        if (Test-AgentFile -Path ($ends['From'] + $suffix)) {
            return "$($ends['From'])$suffix is still there"
        }
    }
    if ($ends['To'] -and -not (Test-AgentFile -Path $ends['To'])) {
        return "$($ends['To']) is not there"
    }
    ''
}
