# A stand-in for Get-WinEvent. Names from hyperv-facts.md section 3.3.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name LabDoor

function Get-WinEvent {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)] [ValidateSet('System')] [string] $LogName,
        [Parameter(Mandatory = $true)] [string] $FilterXPath,
        [long] $MaxEvents = [long]::MaxValue,
        [switch] $Oldest
    )
    if ($FilterXPath -notmatch '^\*\[System\[\(EventRecordID>(\d+)\) and \((.+)\)\]\]$') {
        throw "The specified query is invalid: $FilterXPath"
    }
    $after, $kinds = [long] $Matches[1], $Matches[2]
    $found = @(
        Invoke-Lab -Operation 'powershell_look' -Arguments @{ function = 'Get-ReconcilerEvent'; arguments = @{ AfterRecordId = $after; MaxEvents = 100000 } } |
            ForEach-Object { $_ } |
            Where-Object { $kinds -match ("Provider\[@Name='{0}'\][^)]*EventID={1}\b" -f [regex]::Escape($_.ProviderName), $_.Id) -or $kinds -match ("Provider\[@Name='{0}'\] and \([^)]*EventID={1}\b" -f [regex]::Escape($_.ProviderName), $_.Id) } |
            Sort-Object -Property RecordId -Descending:(-not $Oldest) |
            Microsoft.PowerShell.Utility\Select-Object -First ([int] [System.Math]::Min($MaxEvents, 100000))
    )
    if (-not $found) {
        Write-StandInError -Cmdlet $PSCmdlet -ErrorId 'NoMatchingEventsFound' -Message (Get-LocalisedText -Key "$after" -English 'No events were found that match the specified selection criteria.' -German 'Es wurden keine Ereignisse gefunden, die den angegebenen Auswahlkriterien entsprechen.')
        return
    }
    foreach ($event in $found) {
        [pscustomobject] @{
            PSTypeName = 'System.Diagnostics.Eventing.Reader.EventLogRecord'
            RecordId = [long] $event.RecordId
            ProviderName = $event.ProviderName
            Id = [int] $event.Id
            TimeCreated = ConvertTo-LabTime -Text $event.TimeCreated
            MachineName = "$($env:COMPUTERNAME.ToLowerInvariant()).lab.example"
            Properties = @([pscustomobject] @{ Value = $event.Node.ToLowerInvariant() })
        }
    }
}

Export-ModuleMember -Function Get-WinEvent
