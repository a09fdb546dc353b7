function Get-AgentJob {
    # A job of Hyper-V by its id; null when it was removed, minutes after its end.
    param([string] $JobId)
    if (-not $JobId) {
        return
    }
    Get-VirtualizationInstance -ClassName 'Msvm_ConcreteJob' -Filter ("InstanceID='{0}'" -f (ConvertTo-WqlText -Text $JobId))
}
