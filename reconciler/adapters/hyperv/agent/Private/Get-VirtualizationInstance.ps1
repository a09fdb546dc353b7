function Get-VirtualizationInstance {
    # Instances of a class of Hyper-V.
    param([string] $ClassName, [string] $Filter = '')
    $given = @{ Namespace = $script:VirtualizationNamespace; ClassName = $ClassName }
    if ($Filter) {
        $given['Filter'] = $Filter
    }
    Get-CimInstance @given
}
