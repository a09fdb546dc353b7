function Get-VssProviderType {
    # The type of each VSS provider, from the registry: what vssadmin prints is localised.
    $key = 'SYSTEM\CurrentControlSet\Services\VSS\Providers'
    $arguments = @{ hDefKey = [uint32] 2147483650; sSubKeyName = $key }
    $found = Invoke-CimMethod -Namespace 'root/cimv2' -ClassName 'StdRegProv' -MethodName 'EnumKey' -Arguments $arguments
    foreach ($name in @($found.sNames | Where-Object { $_ })) {
        $type = Get-RegistryValue -Key "$key\$name" -Name 'Type'
        if ($null -ne $type) {
            "$type"
        }
    }
}
