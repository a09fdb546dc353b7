function Resolve-DiskFile {
    # End the call unless the path is that of a disk file of a machine here, or of a configuration
    # file that a recovery checkpoint keeps.
    # A path is never taken apart to find a file, so no spelling of it leads anywhere else.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string] $Path)
    if ($script:DiskFiles.Contains($Path) -or $script:ConfigurationFiles.Contains($Path)) {
        return
    }
    Confirm-HyperV -Cmdlet $Cmdlet
    $script:DiskFiles = Get-DiskFileList
    if ($script:DiskFiles.Contains($Path)) {
        return
    }
    $script:ConfigurationFiles = Get-ConfigurationFileList
    if ($script:ConfigurationFiles.Contains($Path)) {
        return
    }
    $folder = Get-ParentFolder -Path $Path
    $folders = @($script:DiskFiles | ForEach-Object { Get-ParentFolder -Path $_ })
    if ($Path -match '\.a?vhdx?$' -and $folder -in $folders) {
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'FileNotFound' -Target $Path -Message "Cannot find $Path"
    }
    Stop-Call -Cmdlet $Cmdlet -ErrorId 'PathNotAllowed' -Category 'PermissionDenied' -Target $Path -Message "$Path is no file of a disk or a configuration of a machine here"
}
