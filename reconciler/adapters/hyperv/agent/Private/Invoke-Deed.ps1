function Invoke-Deed {
    # Run what commands do, not a method of Hyper-V, and answer as a method would. A failure ends the
    # operation and not the call.
    param([object] $Entry, [scriptblock] $Deed)
    try {
        $answer = & $Deed $Entry
    }
    catch {
        $Entry.ErrorDescription = "$($_.Exception.Message)"
        return [pscustomobject] @{ ReturnValue = 32768; Job = $null }
    }
    if ($null -eq $answer) {
        return [pscustomobject] @{ ReturnValue = 0; Job = $null }
    }
    $answer
}
