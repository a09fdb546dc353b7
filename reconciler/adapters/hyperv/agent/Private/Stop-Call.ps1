function Stop-Call {
    # End a call of the agent with one of its stable error ids.
    param(
        [System.Management.Automation.PSCmdlet] $Cmdlet,
        [string] $ErrorId,
        [string] $Message,
        [System.Management.Automation.ErrorCategory] $Category = 'ObjectNotFound',
        [object] $Target = $null
    )
    $exception = New-Object -TypeName System.Management.Automation.RuntimeException -ArgumentList $Message
    $record = New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList $exception, $ErrorId, $Category, $Target
    $Cmdlet.ThrowTerminatingError($record)
}
