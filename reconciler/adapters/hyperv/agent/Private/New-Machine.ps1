function New-Machine {
    # Make the machine of an entry, with its disks and without a network. Its note says whose it is:
    # after a kill, one that is not whole is known by it.
    param([object] $Entry)
    $given = $Entry.Given
    $disks = @($given.Disk | ForEach-Object { ConvertFrom-DiskLine -Line $_ })
    $wanted = @{
        Name = $given.Name
        Generation = [int] $given.Generation
        MemoryStartupBytes = [long] $given.MemoryBytes
        Path = $given.Folder
        NoVHD = $true
    }
    if ([int] (Get-CimInstance -ClassName 'Win32_OperatingSystem').BuildNumber -ge 14393) {
        $wanted['Version'] = $given.Version
    }
    elseif ($given.Version -ne '5.0') {
        throw "this Hyper-V makes machines of version 5.0, not $($given.Version)"
    }
    $vm = New-VM @wanted
    try {
        Set-VM -VM $vm -Notes (Get-MachineMark -Entry $Entry)
        Set-VMProcessor -VM $vm -Count ([int] $given.ProcessorCount)
        foreach ($disk in $disks) {
            Add-MachineDisk -VM $vm -Disk $disk
        }
        $Entry.MadeVMId = "$($vm.Id)".ToLowerInvariant()
    }
    catch {
        # What was made just now; the files of its disks stay.
        Remove-VM -VM $vm -Force
        throw
    }
}
