function Remove-PlannedMachine {
    # Remove the planned machine of an import that failed, which the job of its first step may tell.
    # One that has become a machine stays.
    param([object] $Entry, [object] $Job)
    $isGone = $false
    try {
        if (-not $Entry.PlannedId -and $null -ne $Job) {
            $Entry.PlannedId = Get-AffectedPlanned -Job $Job
        }
        if (-not $Entry.PlannedId) {
            return
        }
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
