function Get-InstanceText {
    # A property that older Hyper-V does not have; empty then.
    param([object] $Instance, [string] $Name)
    $property = $Instance.PSObject.Properties[$Name]
    if ($null -eq $property) { '' } else { "$($property.Value)" }
}
