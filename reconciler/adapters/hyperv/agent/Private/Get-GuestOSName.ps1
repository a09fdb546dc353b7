function Get-GuestOSName {
    # OSName of the key-value pairs that the guest shows; empty when it shows none.
    param([object] $System)
    $component = Get-CimAssociatedInstance -InputObject $System -ResultClassName 'Msvm_KvpExchangeComponent'
    foreach ($item in @($component | ForEach-Object { $_.GuestIntrinsicExchangeItems })) {
        $pair = @{}
        foreach ($property in ([xml] $item).SelectNodes('/INSTANCE/PROPERTY')) {
            $pair[$property.GetAttribute('NAME')] = $property.InnerText
        }
        if ($pair['Name'] -eq 'OSName') {
            return "$($pair['Data'])"
        }
    }
    ''
}
