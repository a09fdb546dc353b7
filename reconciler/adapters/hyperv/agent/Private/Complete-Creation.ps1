function Complete-Creation {
    # After a kill: take what an entry's request made if it is whole, remove it if it is not; empty,
    # or why there is no machine.
    param([object] $Entry)
    if ($Entry.MadeVMId) {
        return ''
    }
    $mark = Get-MachineMark -Entry $Entry
    $wanted = @($Entry.Given.Disk | ForEach-Object { ConvertFrom-DiskLine -Line $_ } | ForEach-Object { "$($_.Slot)=$($_.Path)" })
    foreach ($vm in @(Get-VM | Where-Object { "$($_.Notes)" -eq $mark })) {
        $there = @(Get-VMHardDiskDrive -VM $vm | ForEach-Object { '{0} {1}:{2}={3}' -f "$($_.ControllerType)", $_.ControllerNumber, $_.ControllerLocation, $_.Path })
        if (-not @($wanted | Where-Object { $_ -notin $there })) {
            $Entry.MadeVMId = "$($vm.Id)".ToLowerInvariant()
            return ''
        }
        if ("$($vm.State)" -eq 'Off') {
            Remove-VM -VM $vm -Force
            return 'the machine was not made whole, and was removed again'
        }
    }
    "no whole machine was made; '$($Entry.Given.Name)' may be there without its disks"
}
