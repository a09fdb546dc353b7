# The way to the lab: one JSON line asks, one answers. See reconciler/lab/control.py.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

function Invoke-Lab {
    # Ask the lab's door; what the host refused comes back as it is.
    param([string] $Operation, [hashtable] $Arguments = @{})
    $door = [System.IO.File]::ReadAllText($env:RECONCILER_LAB_DOOR) | ConvertFrom-Json -DateKind String
    $asked = @{ token = $door.token; operation = $Operation; arguments = $Arguments }
    $line = (ConvertTo-Json -InputObject $asked -Depth 6 -Compress) + "`n"
    $client = [System.Net.Sockets.TcpClient]::new('127.0.0.1', $door.port)
    try {
        $stream = $client.GetStream()
        $bytes = [System.Text.Encoding]::UTF8.GetBytes($line)
        $stream.Write($bytes, 0, $bytes.Length)
        $answer = [System.IO.StreamReader]::new($stream).ReadLine() | ConvertFrom-Json -DateKind String -Depth 20
    }
    finally {
        $client.Dispose()
    }
    if ($answer.PSObject.Properties['error']) {
        throw "the lab: $($answer.error)"
    }
    , $answer.result
}

$script:Build = 0

function Get-LabBuild {
    # The build of the host's Windows, which never changes here.
    if (-not $script:Build) {
        $told = Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerHost'; arguments = @{} }
        $script:Build = [int] @($told)[0].OSBuild
    }
    $script:Build
}

function Test-Refused {
    # Whether the host refused what it was asked.
    param([object] $Answer)
    $Answer -is [System.Management.Automation.PSCustomObject] -and $null -ne $Answer.PSObject.Properties['refused']
}

function Get-LocalisedText {
    # A text for people, now and then in another language: whoever decides by it fails.
    param([string] $Key, [string] $English, [string] $German)
    $sum = 0
    foreach ($sign in $Key.ToCharArray()) {
        $sum += [int] $sign
    }
    if ($sum % 2) { $German } else { $English }
}

function ConvertTo-LabTime {
    # A time as cmdlets give it: in the computer's zone.
    param([object] $Text)
    if ($null -eq $Text) {
        return $null
    }
    [System.DateTimeOffset]::Parse($Text, [System.Globalization.CultureInfo]::InvariantCulture).LocalDateTime
}

function Write-StandInError {
    # A failure of a cmdlet under its real id.
    param([System.Management.Automation.PSCmdlet] $Cmdlet, [string] $ErrorId, [string] $Message, [string] $Category = 'ObjectNotFound')
    $record = [System.Management.Automation.ErrorRecord]::new([System.InvalidOperationException]::new($Message), $ErrorId, $Category, $null)
    $Cmdlet.WriteError($record)
}

Export-ModuleMember -Function Invoke-Lab, Get-LabBuild, Test-Refused, Get-LocalisedText, ConvertTo-LabTime, Write-StandInError
