function Get-RegistryValue {
    # A number or a text of HKEY_LOCAL_MACHINE; nothing where there is no such value.
    param([string] $Key, [string] $Name, [switch] $IsText)
    $arguments = @{ hDefKey = [uint32] 2147483650; sSubKeyName = $Key; sValueName = $Name }
    if ($IsText) {
        return (Invoke-CimMethod -Namespace 'root/cimv2' -ClassName 'StdRegProv' -MethodName 'GetStringValue' -Arguments $arguments).sValue
    }
    (Invoke-CimMethod -Namespace 'root/cimv2' -ClassName 'StdRegProv' -MethodName 'GetDWORDValue' -Arguments $arguments).uValue
}
