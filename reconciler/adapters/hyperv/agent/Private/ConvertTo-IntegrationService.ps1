function ConvertTo-IntegrationService {
    # Its name is a localised text: the GUID at the end of its id tells what it is.
    param([object] $Service)
    [pscustomobject] @{
        ComponentId = "$($Service.Id)".Substring("$($Service.Id)".LastIndexOf('\') + 1).ToLowerInvariant()
        Enabled = [bool] $Service.Enabled
        PrimaryOperationalStatus = "$($Service.PrimaryOperationalStatus)"
    }
}
