function Confirm-TargetFile {
    # End the call unless a file is there.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string] $Path)
    if (-not (Test-AgentFile -Path $Path)) {
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'FileNotFound' -Target $Path -Message "Cannot find $Path"
    }
}
