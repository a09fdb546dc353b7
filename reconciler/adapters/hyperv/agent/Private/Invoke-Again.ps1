function Invoke-Again {
    # Run a block that looks at something which may change meanwhile: a merge ends, a file is gone.
    # What an attempt had found before it failed is not told.
    param([scriptblock] $Block, [object[]] $ArgumentList, [int] $Attempts = 3)
    for ($attempt = 1; $true; $attempt++) {
        try {
            $found = @(& $Block @ArgumentList)
            return $found
        }
        catch {
            if ($attempt -ge $Attempts -or $_.FullyQualifiedErrorId -match '^(VMNotFound|HyperVNotInstalled)') {
                throw
            }
            Start-Sleep -Milliseconds (100 * $attempt)
        }
    }
}
