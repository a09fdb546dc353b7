function ConvertTo-CimText {
    # A CIM instance as the text that methods take as an embedded instance.
    param([object] $InputObject)
    $serializer = [Microsoft.Management.Infrastructure.Serialization.CimSerializer]::Create()
    try {
        $options = [Microsoft.Management.Infrastructure.Serialization.InstanceSerializationOptions]::None
        [System.Text.Encoding]::Unicode.GetString($serializer.Serialize($InputObject, $options))
    }
    finally {
        $serializer.Dispose()
    }
}
