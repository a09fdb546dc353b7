function Test-VirtualizationClass {
    # Whether Hyper-V has a class; one before Server 2016 has neither reference points nor settings
    # of a checkpoint. Only that it is not there counts as no: another failure ends the call.
    # Source: WBEM_E_NOT_FOUND and WBEM_E_INVALID_CLASS.
    param([string] $ClassName)
    if (-not $script:Classes.ContainsKey($ClassName)) {
        try {
            [void] (Get-CimClass -Namespace $script:VirtualizationNamespace -ClassName $ClassName)
            $script:Classes[$ClassName] = $true
        }
        catch {
            if ($_.FullyQualifiedErrorId -notmatch '^HRESULT 0x800410(02|10)') {
                throw
            }
            $script:Classes[$ClassName] = $false
        }
    }
    $script:Classes[$ClassName]
}
