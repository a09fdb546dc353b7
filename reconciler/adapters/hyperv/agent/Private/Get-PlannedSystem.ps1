function Get-PlannedSystem {
    # A planned machine as Hyper-V's methods take it.
    param([string] $Id)
    Get-VirtualizationInstance -ClassName 'Msvm_PlannedComputerSystem' -Filter ("Name='{0}'" -f $Id.ToUpperInvariant())
}
