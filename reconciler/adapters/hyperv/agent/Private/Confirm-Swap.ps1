function Confirm-Swap {
    # End the call unless a swap is about a disk of its machine alone, and overwrites nothing.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [object] $Entry, [System.Collections.IDictionary] $Entries)
    $path = $Entry.Given.Path
    # Of this agent's memory: what the machine had when it was taken off this host, or off line.
    $own = @($Entries.Values | Where-Object { $_.VMId -eq $Entry.VMId } | ForEach-Object { $_.Files })
    foreach ($vm in @(Get-VM | Where-Object { "$($_.Id)" -eq $Entry.VMId })) {
        Confirm-MachineOff -Cmdlet $Cmdlet -VM $vm
        $own += @(Get-MachineDiskPath -VM $vm)
    }
    if ($path -notin $own) {
        Stop-Call -Cmdlet $Cmdlet -ErrorId 'PathNotAllowed' -Category 'PermissionDenied' -Target $path -Message "$path is no disk of '$($Entry.VMId)'"
    }
    Confirm-Target -Cmdlet $Cmdlet -Path $path -Folders @(Get-TargetFolder -Entries $Entries) -Ending 'vhdx', 'vhd'
    $ends = Get-SwapEnd -Entry $Entry
    $others = Get-DiskFileList -Except $Entry.VMId
    foreach ($end in @($ends['From'], $ends['To'])) {
        if ($end -and $others.Contains($end)) {
            Stop-Call -Cmdlet $Cmdlet -ErrorId 'FileInUse' -Category 'ResourceExists' -Target $end -Message "$end is the disk of another machine here"
        }
    }
    if (-not $ends['To']) {
        return
    }
    if (-not (Test-AgentFile -Path $ends['To'])) {
        Confirm-TargetFile -Cmdlet $Cmdlet -Path $ends['From']
    }
    foreach ($suffix in $script:SideFiles) {
        if ((Test-AgentFile -Path ($ends['From'] + $suffix)) -and (Test-AgentFile -Path ($ends['To'] + $suffix))) {
            Stop-Call -Cmdlet $Cmdlet -ErrorId 'FileExists' -Category 'ResourceExists' -Target ($ends['To'] + $suffix) -Message "$($ends['To'])$suffix is there already"
        }
    }
}
