# The module's own logic: journal, jobs, ranges, paths. What Hyper-V would answer is mocked here; how
# the parts work together is for tests/contract.

BeforeAll {
    $env:ProgramData = $TestDrive
    Import-Module -Name $env:RECONCILER_AGENT -Force
}

Describe 'The journal' {
    BeforeEach {
        InModuleScope ReconcilerAgent {
            [System.IO.File]::Delete((Get-JournalPath))
            Mock Confirm-VM { }
            Mock Get-AgentJob { [pscustomobject] @{ InstanceID = 'job'; JobState = 4; PercentComplete = 7; ErrorCode = 0; ErrorDescription = '' } }
            Mock Invoke-CimMethod { [pscustomobject] @{ ReturnValue = 4096; Job = [pscustomobject] @{ InstanceID = 'job' } } }
        }
    }

    It 'lets a request begin once' {
        InModuleScope ReconcilerAgent {
            $method = { @{ InputObject = 'service'; MethodName = 'CreateSnapshot'; Arguments = @{} } }
            $first = Start-Operation -Cmdlet $null -Method $method -Entry (New-JournalEntry -RequestId 'r1' -Function 'f' -VMId 'vm')
            $second = Start-Operation -Cmdlet $null -Method $method -Entry (New-JournalEntry -RequestId 'r1' -Function 'f' -VMId 'vm')
            $first.RequestId | Should -Be $second.RequestId
            Should -Invoke Invoke-CimMethod -Exactly -Times 1
        }
    }

    It 'holds a request before its method is called' {
        InModuleScope ReconcilerAgent {
            Mock Invoke-CimMethod { throw 'the power is gone' }
            $method = { @{ InputObject = 'service'; MethodName = 'CreateSnapshot'; Arguments = @{} } }
            { Start-Operation -Cmdlet $null -Method $method -Entry (New-JournalEntry -RequestId 'r1' -Function 'f' -VMId 'vm') } | Should -Throw 'the power is gone'
            @((Read-Journal -Path (Get-JournalPath)).Keys) | Should -Be 'r1'
        }
    }

    It 'tells by what is there whether a request whose job is gone was done' -TestCases @(
        @{ Before = @('A'); State = 'Exception' }
        @{ Before = @(); State = 'Completed' }
    ) {
        InModuleScope ReconcilerAgent -Parameters @{ Before = $Before; State = $State } {
            param($Before, $State)
            Mock Get-AgentJob { }
            Mock Get-ReferencePoint { [pscustomobject] @{ InstanceID = 'A' } }
            $entry = New-JournalEntry -RequestId 'r1' -Function 'Start-ReconcilerConversion' -VMId 'vm' -More @{ Before = $Before }
            Update-Operation -Entry $entry
            $entry.State | Should -Be $State
        }
    }

    It 'keeps what runs, and the newest of what has ended' {
        InModuleScope ReconcilerAgent {
            $entries = [ordered] @{}
            $entries['running'] = New-JournalEntry -RequestId 'running' -Function 'f' -VMId 'vm'
            foreach ($number in 1..520) {
                $entries["r$number"] = New-JournalEntry -RequestId "r$number" -Function 'f' -VMId 'vm' -More @{ State = 'Completed' }
            }
            [void] (ConvertTo-JournalText -Entries $entries)
            $entries.Count | Should -Be 513
            $entries.Contains('running') | Should -BeTrue
            $entries.Contains('r8') | Should -BeFalse
            $entries.Contains('r9') | Should -BeTrue
        }
    }

    It 'is kept when a block ends with an error, and is free again' {
        InModuleScope ReconcilerAgent {
            { Use-Journal -Block { param($Entries) $Entries['r1'] = New-JournalEntry -RequestId 'r1' -Function 'f' -VMId 'vm'; throw 'no' } } | Should -Throw 'no'
            Use-Journal -Block { param($Entries) $Entries.Contains('r1') } | Should -BeTrue
        }
    }

    It 'lets one in at a time' {
        InModuleScope ReconcilerAgent {
            $path = "$(Get-JournalPath).lock"
            $lock = Lock-Journal -Path $path
            try {
                { Lock-Journal -Path $path -Seconds 0 } | Should -Throw
            }
            finally {
                $lock.Dispose()
            }
            (Lock-Journal -Path $path -Seconds 0).Dispose()
        }
    }

    It 'is put aside when it cannot be read' {
        InModuleScope ReconcilerAgent {
            [System.IO.File]::WriteAllText((Get-JournalPath), '{"Entries": [')
            (Read-Journal -Path (Get-JournalPath)).Count | Should -Be 0
            [System.IO.File]::Exists("$(Get-JournalPath).unreadable") | Should -BeTrue
        }
    }
}

Describe 'A method of Hyper-V' {
    It 'that answers <Code> leaves the operation <State>' -TestCases @(
        @{ Code = 4096; State = 'Starting' }
        @{ Code = 32769; State = 'Exception' }
        @{ Code = 0; State = 'Completed' }
    ) {
        InModuleScope ReconcilerAgent -Parameters @{ Code = $Code; State = $State } {
            param($Code, $State)
            $entry = New-JournalEntry -RequestId 'r1' -Function 'f' -VMId 'vm'
            Set-OperationBegun -Cmdlet $null -Entry $entry -Entries ([ordered] @{}) -Answer ([pscustomobject] @{ ReturnValue = $Code; Job = [pscustomobject] @{ InstanceID = 'job' } })
            $entry.State | Should -Be $State
        }
    }

    It 'that says <_> means a busy machine, and is no request any more' -ForEach 32774, 32775 {
        InModuleScope ReconcilerAgent -Parameters @{ Code = $_ } {
            param($Code)
            $entry = New-JournalEntry -RequestId 'r1' -Function 'f' -VMId 'vm'
            $entries = [ordered] @{ r1 = $entry }
            Mock Stop-Call { throw $ErrorId }
            { Set-OperationBegun -Cmdlet $null -Entry $entry -Entries $entries -Answer ([pscustomobject] @{ ReturnValue = $Code }) } | Should -Throw 'MachineBusy'
            $entries.Contains('r1') | Should -BeFalse
        }
    }

    It 'is waited for through every state that is no end' {
        InModuleScope ReconcilerAgent {
            $script:TestStates = [System.Collections.Generic.Queue[int]] [int[]] (2, 3, 4, 11, 12, 32768)
            Mock Get-AgentJob { [pscustomobject] @{ JobState = $script:TestStates.Dequeue() } }
            Mock Start-Sleep { }
            Wait-VirtualizationJob -Answer ([pscustomobject] @{ ReturnValue = 4096; Job = [pscustomobject] @{ InstanceID = 'job' } }) | Should -BeTrue
            $script:TestStates.Count | Should -Be 0
        }
    }

    It 'fails with its job in state <_>' -ForEach 8, 9, 10 {
        InModuleScope ReconcilerAgent -Parameters @{ JobState = $_ } {
            param($JobState)
            Mock Get-AgentJob { [pscustomobject] @{ JobState = $JobState } }
            Wait-VirtualizationJob -Answer ([pscustomobject] @{ ReturnValue = 4096; Job = [pscustomobject] @{ InstanceID = 'job' } }) | Should -BeFalse
        }
    }

    It 'gets GuestBackupType only where the class has it' -TestCases @(
        @{ Names = @('ConsistencyLevel', 'IgnoreNonSnapshottableDisks'); Has = $false }
        @{ Names = @('ConsistencyLevel', 'GuestBackupType', 'IgnoreNonSnapshottableDisks'); Has = $true }
    ) {
        InModuleScope ReconcilerAgent -Parameters @{ Names = $Names; Has = $Has } {
            param($Names, $Has)
            Mock Get-CimClass { [pscustomobject] @{ CimClassProperties = @($Names | ForEach-Object { [pscustomobject] @{ Name = $_ } }) } }
            Mock New-CimInstance { $Property }
            Mock ConvertTo-CimText { $InputObject }
            (New-SnapshotSetting -ConsistencyLevel 'Crash').ContainsKey('GuestBackupType') | Should -Be $Has
        }
    }
}

Describe 'Ranges' {
    It 'that are wrong are refused: <What>' -TestCases @(
        @{ What = 'empty'; Pairs = @(0, 0) }
        @{ What = 'past the end'; Pairs = @(90, 11) }
        @{ What = 'beginning past the end'; Pairs = @(101, 1) }
        @{ What = 'a sum that overflows'; Pairs = @(1, [long]::MaxValue) }
        @{ What = 'above 2^63'; Pairs = @(-1, 1) }
    ) {
        InModuleScope ReconcilerAgent -Parameters @{ Pairs = $Pairs } {
            param($Pairs)
            Mock Stop-Call { throw $ErrorId }
            $bytes = ConvertTo-PackedRange -Offsets @($Pairs[0]) -Lengths @($Pairs[1])
            { ConvertFrom-PackedRange -Cmdlet $null -Ranges $bytes -FileSize 100 } | Should -Throw 'RangeNotAllowed'
        }
    }

    It 'are packed as pairs of little-endian longs' {
        InModuleScope ReconcilerAgent {
            $bytes = ConvertTo-PackedRange -Offsets @(1, 0x100000000) -Lengths @(2, 3)
            [System.BitConverter]::ToString($bytes).Replace('-', '') | Should -Be '0100000000000000020000000000000000000000010000000300000000000000'
            (ConvertFrom-PackedRange -Cmdlet $null -Ranges $bytes -FileSize ([long]::MaxValue)) | Should -Be 1, 2, 0x100000000, 3
        }
    }

    It 'that are too many end where the next one begins' {
        InModuleScope ReconcilerAgent {
            $offsets = [uint64[]] (20000..1 | ForEach-Object { 10 * $_ })
            $lengths = [uint64[]] (, 5 * 20000)
            $piece = Limit-Extent -Offset 0 -Answer ([pscustomobject] @{ ProcessedByteLength = 1000000; ChangedByteOffsets = $offsets; ChangedByteLengths = $lengths })
            $piece['Offsets'].Count | Should -Be 16384
            $piece['ProcessedLength'] | Should -Be 163850
            ($piece['Offsets'] | Microsoft.PowerShell.Utility\Measure-Object -Maximum).Maximum | Should -Be 163840
        }
    }
}

Describe 'Paths' {
    BeforeEach {
        InModuleScope ReconcilerAgent {
            $script:DiskFiles.Clear()
            $script:ConfigurationFiles.Clear()
            Mock Get-VirtualizationInstance {
                [pscustomobject] @{ ConfigurationDataRoot = 'D:\VMs\'; ConfigurationFile = 'Snapshots\kept.vmcx' }
            }
            Mock Find-NamedFile {
                if ($Stem -eq 'D:\VMs\Snapshots\kept') {
                    [pscustomobject] @{ Path = 'D:\VMs\Snapshots\kept.VMCX'; Size = 7 }
                    [pscustomobject] @{ Path = 'D:\VMs\Snapshots\kept.vmrs'; Size = 0 }
                }
            }
            Mock Get-VM { [pscustomobject] @{ Id = 'vm'; VirtualMachineType = 'RealizedVirtualMachine' } }
            Mock Get-VMSnapshot { }
            Mock Get-VMHardDiskDrive {
                [pscustomobject] @{ DiskNumber = $null; Path = 'D:\VMs\a_1.avhdx' }
                [pscustomobject] @{ DiskNumber = 3; Path = 'Disk 3' }
                [pscustomobject] @{ DiskNumber = $null; Path = '\\files1\vms\b.vhdx' }
            }
            Mock Get-VHD { [pscustomobject] @{ ParentPath = if ($Path -like '*_1.avhdx') { 'D:\VMs\a.vhdx' } else { '' } } }
            Mock Stop-Call { throw $ErrorId }
        }
    }

    It '<Path> may be read' -TestCases @(@{ Path = 'D:\VMs\a_1.avhdx' }, @{ Path = 'd:\vms\A.VHDX' }, @{ Path = 'D:\VMs\Snapshots\kept.vmrs' }) {
        InModuleScope ReconcilerAgent -Parameters @{ Path = $Path } {
            param($Path)
            { Resolve-DiskFile -Cmdlet $null -Path $Path } | Should -Not -Throw
        }
    }

    It '<Path> is <Refused>' -TestCases @(
        @{ Path = 'D:\VMs\gone.avhdx'; Refused = 'FileNotFound' }
        @{ Path = 'D:\VMs\..\VMs\a.vhdx'; Refused = 'PathNotAllowed' }
        @{ Path = 'D:\VMs\a.vmcx'; Refused = 'PathNotAllowed' }
        @{ Path = 'D:\VMs\Snapshots\kept.bin'; Refused = 'PathNotAllowed' }
        @{ Path = '\\?\D:\VMs\a.vhdx'; Refused = 'PathNotAllowed' }
        @{ Path = '\\files1\vms\b.vhdx'; Refused = 'PathNotAllowed' }
        @{ Path = 'Disk 3'; Refused = 'PathNotAllowed' }
        @{ Path = '/etc/passwd'; Refused = 'PathNotAllowed' }
    ) {
        InModuleScope ReconcilerAgent -Parameters @{ Path = $Path; Refused = $Refused } {
            param($Path, $Refused)
            { Resolve-DiskFile -Cmdlet $null -Path $Path } | Should -Throw $Refused
        }
    }

    It 'tells each file of a configuration once, and without a size what is not there or elsewhere' {
        InModuleScope ReconcilerAgent {
            $here = [pscustomobject] @{ ConfigurationDataRoot = 'D:\VMs'; ConfigurationFile = 'Snapshots\kept.vmcx'; GuestStateDataRoot = 'D:\VMs'; GuestStateFile = 'Snapshots\gone.vmgs' }
            $there = [pscustomobject] @{ ConfigurationDataRoot = '\\files1\vms'; ConfigurationFile = 'Snapshots\kept.vmcx' }
            @(Get-ConfigurationFile -Snapshot $here | ForEach-Object { "$($_.Path)=$($_.Size)" }) -join ' ' |
                Should -Be 'D:\VMs\Snapshots\kept.VMCX=7 D:\VMs\Snapshots\kept.vmrs=0 D:\VMs\Snapshots\gone.vmgs='
            @(Get-ConfigurationFile -Snapshot $there | ForEach-Object { "$($_.Path)=$($_.Size)" }) | Should -Be '\\files1\vms\Snapshots\kept.vmcx='
        }
    }
}

Describe 'What a host says' {
    It 'has times in UTC, and none for one that was never set' {
        InModuleScope ReconcilerAgent {
            $time = [System.DateTimeOffset]::Parse('2026-11-28T22:00:00.5+02:00').LocalDateTime
            ConvertTo-UtcText -Time $time | Should -Be '2026-11-28T20:00:00.500+00:00'
            ConvertTo-UtcText -Time ([datetime]::MinValue) | Should -BeNullOrEmpty
            ConvertTo-UtcText -Time $null | Should -BeNullOrEmpty
        }
    }

    It 'is a failure when the cluster of a node does not answer' {
        InModuleScope ReconcilerAgent {
            Mock Get-CimInstance { [pscustomobject] @{ CSName = 'hv1'; BuildNumber = '20348'; LastBootUpTime = [datetime]::Now; StartMode = 'Auto' } }
            Mock Get-Cluster { throw 'the cluster service is not running' }
            { Get-ReconcilerHost } | Should -Throw 'the cluster service*'
        }
    }

    It 'lacks a class only where Hyper-V says so, and is asked once' {
        InModuleScope ReconcilerAgent {
            $script:Classes = @{}
            Mock Get-CimClass {
                $script:TestAttempts++
                $id = if ($ClassName -eq 'Old') { 'HRESULT 0x80041002,x' } else { 'HRESULT 0x80041003,x' }
                throw (New-Object System.Management.Automation.ErrorRecord (New-Object System.InvalidOperationException 'no'), $id, 'NotSpecified', $null)
            }
            $script:TestAttempts = 0
            Test-VirtualizationClass -ClassName 'Old' | Should -BeFalse
            Test-VirtualizationClass -ClassName 'Old' | Should -BeFalse
            $script:TestAttempts | Should -Be 1
            { Test-VirtualizationClass -ClassName 'Denied' } | Should -Throw
            $script:Classes.ContainsKey('Denied') | Should -BeFalse
            $script:Classes = @{}
        }
    }

    It 'has the version of a machine from its settings where no property shows it' {
        InModuleScope ReconcilerAgent {
            Mock Get-CimInstance { if ($Filter -like '*System:Realized*') { [pscustomobject] @{ Version = '5.0' } } }
            Get-MachineVersion -VM ([pscustomobject] @{ Id = 'a' }) | Should -Be '5.0'
            Get-MachineVersion -VM ([pscustomobject] @{ Id = 'a'; Version = '9.0' }) | Should -Be '9.0'
            Mock Get-CimInstance { }
            Get-MachineVersion -VM ([pscustomobject] @{ Id = 'a' }) | Should -Be ''
        }
    }

    It 'leaves out a disk that is attached no more, and all when the lists do not match' {
        InModuleScope ReconcilerAgent {
            Mock Get-VHD { [pscustomobject] @{ DiskIdentifier = 'ABC' } }
            $slots = @{ 'a\L' = [pscustomobject] @{ ControllerType = 'SCSI'; ControllerNumber = 0; ControllerLocation = 1; DiskNumber = $null; Path = 'p' } }
            $point = [pscustomobject] @{ VirtualDiskIdentifiers = 'a\L', 'b\L'; ResilientChangeTrackingIdentifiers = 'rct1', 'rct2' }
            @(ConvertTo-TrackedDisk -Point $point -Slots $slots).RctId | Should -Be 'rct1'
            $point.ResilientChangeTrackingIdentifiers = , 'rct1'
            @(ConvertTo-TrackedDisk -Point $point -Slots $slots).Count | Should -Be 0
        }
    }

    It 'is looked at again when something went away meanwhile, and told once' {
        InModuleScope ReconcilerAgent {
            Mock Start-Sleep { }
            $script:TestAttempts = 0
            $found = Invoke-Again -ArgumentList @() -Block { 'first'; $script:TestAttempts++; if ($script:TestAttempts -lt 3) { throw 'gone' }; 'second' }
            $found | Should -Be 'first', 'second'
            { Invoke-Again -ArgumentList @() -Block { throw 'always gone' } } | Should -Throw 'always gone'
        }
    }

    It 'has SHA-256 as the standard says' {
        InModuleScope ReconcilerAgent {
            $sha256 = New-Sha256
            [System.BitConverter]::ToString($sha256.ComputeHash([System.Text.Encoding]::ASCII.GetBytes('abc'))).Replace('-', '') | Should -Be 'BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD'
        }
    }
}

Describe 'What a kill leaves of a recovery' {
    It 'takes a machine that was made whole, and removes one that was not' -TestCases @(
        @{ Disks = @('a', 'b'); State = 'Completed'; Removed = 0 }
        @{ Disks = @('a'); State = 'Exception'; Removed = 1 }
    ) {
        InModuleScope ReconcilerAgent -Parameters @{ Disks = $Disks; State = $State; Removed = $Removed } {
            param($Disks, $State, $Removed)
            Mock Get-AgentJob { }
            Mock Remove-VM { }
            Mock Get-VM {
                [pscustomobject] @{ Id = 'OTHER'; Notes = 'reconciler r2'; State = 'Off' }
                [pscustomobject] @{ Id = 'MADE'; Notes = 'reconciler r1'; State = 'Off' }
            }
            Mock Get-VMHardDiskDrive {
                $number = 0
                foreach ($name in $Disks) {
                    [pscustomobject] @{ ControllerType = 'SCSI'; ControllerNumber = 0; ControllerLocation = $number; Path = "D:\$name.vhdx" }
                    $number++
                }
            }
            $entry = New-JournalEntry -RequestId 'r1' -Function 'Start-ReconcilerCreation' -VMId '' -More @{
                Given = [pscustomobject] @{ Name = 'x'; Disk = @('SCSI 0:0=D:\a.vhdx', 'SCSI 0:1=D:\b.vhdx') }
            }
            Update-Operation -Entry $entry
            $entry.State | Should -Be $State
            $entry.MadeVMId | Should -Be $(if ($Removed) { $null } else { 'made' })
            Should -Invoke Remove-VM -Exactly -Times $Removed
            Should -Invoke Remove-VM -Exactly -Times 0 -ParameterFilter { $VM.Id -ne 'MADE' }
        }
    }

    It 'ends an import by what is there: <Case>' -TestCases @(
        @{ Case = 'it has become a machine'; Step = 'Validate'; PlannedId = 'id'; Machine = $true; Planned = $false; Busy = $false; State = 'Completed'; Destroyed = 0 }
        @{ Case = 'it was validated, which nobody saw'; Step = 'Validate'; PlannedId = 'id'; Machine = $false; Planned = $true; Busy = $false; State = 'Running'; Destroyed = 0 }
        @{ Case = 'it did not become a machine'; Step = 'Realize'; PlannedId = 'id'; Machine = $false; Planned = $true; Busy = $false; State = 'Exception'; Destroyed = 1 }
        @{ Case = 'nobody knows its planned machine'; Step = 'Define'; PlannedId = ''; Machine = $false; Planned = $false; Busy = $false; State = 'Exception'; Destroyed = 0 }
        @{ Case = 'a machine that migrates here has its id'; Step = 'Define'; PlannedId = ''; Machine = $false; Planned = $true; Busy = $true; State = 'Exception'; Destroyed = 0 }
    ) {
        InModuleScope ReconcilerAgent -Parameters @{ Step = $Step; PlannedId = $PlannedId; Machine = $Machine; Planned = $Planned; Busy = $Busy; State = $State; Destroyed = $Destroyed } {
            param($Step, $PlannedId, $Machine, $Planned, $Busy, $State, $Destroyed)
            Mock Get-AgentJob { }
            Mock Get-MachineSystem { if ($Machine) { [pscustomobject] @{ Name = 'ID' } } }
            Mock Get-PlannedSystem { if ($Planned) { [pscustomobject] @{ Name = 'ID' } } }
            Mock Get-UnfinishedJob { if ($Busy) { [pscustomobject] @{ JobType = 300; JobState = 'Running' } } }
            Mock Get-VirtualizationInstance { [pscustomobject] @{ Name = 'service' } }
            Mock Invoke-CimMethod { [pscustomobject] @{ ReturnValue = 4096; Job = [pscustomobject] @{ InstanceID = 'next' } } } -ParameterFilter { $MethodName -eq 'ValidatePlannedSystem' }
            Mock Invoke-CimMethod { [pscustomobject] @{ ReturnValue = 0; Job = $null } } -ParameterFilter { $MethodName -eq 'DestroySystem' }
            $entry = New-JournalEntry -RequestId 'r1' -Function 'Start-ReconcilerImport' -VMId 'id' -More @{
                Target = 'Keep'
                Step = $Step
                PlannedId = $PlannedId
                Given = [pscustomobject] @{ Disk = @() }
            }
            Update-Operation -Entry $entry
            $entry.State | Should -Be $State
            Should -Invoke Invoke-CimMethod -Exactly -Times $Destroyed -ParameterFilter { $MethodName -eq 'DestroySystem' }
        }
    }

    It 'waits while the cluster is at it, and then says what it finds: <States>' -TestCases @(
        @{ States = @('Offline', 'OfflinePending'); State = 'Running' }
        @{ States = @('Offline', 'Offline'); State = 'Completed' }
        @{ States = @('Failed', 'Offline'); State = 'Exception' }
        @{ States = @(); State = 'Exception' }
    ) {
        InModuleScope ReconcilerAgent -Parameters @{ States = $States; State = $State } {
            param($States, $State)
            Mock Get-MachineResource { foreach ($each in $States) { [pscustomobject] @{ Name = 'Virtual Machine a'; State = $each } } }
            $entry = New-JournalEntry -RequestId 'r1' -Function 'Start-ReconcilerClusterChange' -VMId 'id' -More @{ Target = 'TakeOffline' }
            Update-Operation -Entry $entry
            $entry.State | Should -Be $State
        }
    }

    It 'reads a journal that an older version wrote' {
        InModuleScope ReconcilerAgent {
            $path = Get-JournalPath
            [System.IO.File]::WriteAllText($path, '{"Version":1,"Entries":[{"RequestId":"r1","Function":"f","VMId":"vm","JobId":"","State":"Completed","PercentComplete":100,"ErrorCode":0,"ErrorDescription":"","CheckpointId":"c","ReferencePointId":null,"Target":"","ElementName":"","Before":[]}]}')
            $told = ConvertTo-Operation -Entry (Read-Journal -Path $path)['r1']
            [System.IO.File]::Delete($path)
            $told.CheckpointId | Should -Be 'c'
            $told.MadeVMId | Should -BeNullOrEmpty
        }
    }
}
