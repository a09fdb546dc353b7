function New-Sha256 {
    # CNG's SHA-256, which is native; in Windows PowerShell 5.1 the other one is managed and slow.
    $cng = 'System.Security.Cryptography.SHA256Cng' -as [type]
    if ($null -ne $cng) {
        try {
            return New-Object -TypeName $cng.FullName
        }
        catch {
            Write-Verbose "SHA256Cng cannot be used: $_"
        }
    }
    [System.Security.Cryptography.SHA256]::Create()
}
