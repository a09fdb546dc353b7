function Read-Fully {
    # Fill a part of a buffer; a file that ends before ends the call.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [System.IO.Stream] $Stream, [byte[]] $Buffer, [int] $At, [int] $Length)
    while ($Length -gt 0) {
        $read = $Stream.Read($Buffer, $At, $Length)
        if ($read -le 0) {
            Stop-RangeCall -Cmdlet $Cmdlet -Message 'the file is shorter now'
        }
        $At += $read
        $Length -= $read
    }
}
