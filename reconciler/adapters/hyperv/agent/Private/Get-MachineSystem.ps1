function Get-MachineSystem {
    # A machine as Hyper-V's methods take it.
    param([string] $VMId)
    Get-VirtualizationInstance -ClassName 'Msvm_ComputerSystem' -Filter ("Name='{0}'" -f $VMId.ToUpperInvariant())
}
