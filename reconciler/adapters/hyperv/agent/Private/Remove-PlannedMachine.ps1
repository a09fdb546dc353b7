function Remove-PlannedMachine {
    # Remove the planned machine of an import that failed. One that has become a machine stays.
    param([object] $Entry)
    if (-not $Entry.PlannedId) {
        return
    }
    $isGone = $false
    try {
        $system = Get-PlannedSystem -Id $Entry.PlannedId
        if ($null -eq $system) {
            return
        }
        $service = Get-VirtualizationInstance -ClassName 'Msvm_VirtualSystemManagementService'
        $isGone = Wait-VirtualizationJob -Answer (Invoke-CimMethod -InputObject $service -MethodName 'DestroySystem' -Arguments @{ AffectedSystem = $system })
    }
    catch {
        $isGone = $false
    }
    if (-not $isGone) {
        $Entry.ErrorDescription += "; the planned machine $($Entry.PlannedId) is left"
    }
}
