function Open-AgentFile {
    # A file of a machine, open for reading.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string] $Path)
    Resolve-DiskFile -Cmdlet $Cmdlet -Path $Path
    try {
        return Open-DiskFile -Path $Path
    }
    catch {
        $reason = $_.Exception.GetBaseException()
        if ($reason -isnot [System.IO.FileNotFoundException] -and $reason -isnot [System.IO.DirectoryNotFoundException]) {
            throw
        }
    }
    [void] $script:DiskFiles.Remove($Path)
    [void] $script:ConfigurationFiles.Remove($Path)
    Stop-Call -Cmdlet $Cmdlet -ErrorId 'FileNotFound' -Target $Path -Message "Cannot find $Path"
}
