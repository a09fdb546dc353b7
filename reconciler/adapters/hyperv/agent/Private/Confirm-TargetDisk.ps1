function Confirm-TargetDisk {
    # End the call unless each disk of a new machine is a file at an allowed place, and nobody's.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string[]] $Lines, [string[]] $Folders)
    $paths = @($Lines | ForEach-Object { (ConvertFrom-DiskLine -Line $_).Path })
    foreach ($path in $paths) {
        Confirm-Target -Cmdlet $Cmdlet -Path $path -Folders $Folders -Ending 'vhdx', 'vhd'
    }
    $taken = Get-DiskFileList
    foreach ($path in $paths) {
        Confirm-TargetFile -Cmdlet $Cmdlet -Path $path
        if ($taken.Contains($path)) {
            Stop-Call -Cmdlet $Cmdlet -ErrorId 'FileInUse' -Category 'ResourceExists' -Target $path -Message "$path is the disk of a machine here"
        }
    }
}
