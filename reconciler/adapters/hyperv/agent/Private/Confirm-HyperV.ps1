function Confirm-HyperV {
    # End the call on a computer without the Hyper-V module, as a file server is.
    param([System.Management.Automation.PSCmdlet] $Cmdlet)
    if (-not $script:Feature['Hyper-V']) {
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'HyperVNotInstalled' -Category 'NotInstalled' -Target 'Hyper-V' -Message 'the Hyper-V PowerShell module is not installed here'
    }
}
