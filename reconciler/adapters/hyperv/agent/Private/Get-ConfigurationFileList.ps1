function Get-ConfigurationFileList {
    # Every configuration file that a recovery checkpoint of this host keeps.
    $found = New-Object -TypeName 'System.Collections.Generic.HashSet[string]' -ArgumentList ([System.StringComparer]::OrdinalIgnoreCase)
    foreach ($snapshot in @(Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemSettingData' -Filter "VirtualSystemType='Microsoft:Hyper-V:Snapshot:Recovery'")) {
        foreach ($file in @(Get-ConfigurationFile -Snapshot $snapshot | Where-Object { $null -ne $_.Size })) {
            [void] $found.Add($file.Path)
        }
    }
    , $found
}
