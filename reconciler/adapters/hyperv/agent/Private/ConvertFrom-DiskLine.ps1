function ConvertFrom-DiskLine {
    # A slot and a path, from a text as the contract spells it: "SCSI 0:1=C:\VMs\a.vhdx".
    param([string] $Line)
    [void] ($Line -match '^(\w+) (\d+):(\d+)=(?s:(.*))\z')
    [pscustomobject] @{
        Slot = '{0} {1}:{2}' -f $Matches[1].ToUpperInvariant(), [int] $Matches[2], [int] $Matches[3]
        ControllerType = $Matches[1].ToUpperInvariant()
        ControllerNumber = [int] $Matches[2]
        ControllerLocation = [int] $Matches[3]
        Path = $Matches[4]
    }
}
