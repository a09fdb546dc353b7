function Stop-RangeCall {
    # End a call whose ranges are wrong.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string] $Message)
    Stop-Call -Cmdlet $Cmdlet -ErrorId 'RangeNotAllowed' -Category 'InvalidArgument' -Message $Message
}
