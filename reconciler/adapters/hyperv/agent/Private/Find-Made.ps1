function Find-Made {
    # The one thing that was not there before; null if there is none.
    param([object[]] $Now, [string] $Key, [object[]] $Before)
    foreach ($each in @($Now)) {
        if ($null -ne $each -and $each.$Key -notin $Before) {
            return $each
        }
    }
}
