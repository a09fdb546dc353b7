function Get-ReconcilerEvent {
    <#
    .SYNOPSIS
    Events of the System log that tell of lost nodes and of restarts, oldest first: FailoverClustering 1135; EventLog 6006, 6008; Kernel-Power 41; User32 1074.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.Event')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidateRange(0, 9223372036854775807)]
        [long] $AfterRecordId,

        [Parameter(Mandatory = $true)]
        [ValidateRange(1, 1000)]
        [int] $MaxEvents
    )

    $kinds = @(
        "(Provider[@Name='Microsoft-Windows-FailoverClustering'] and EventID=1135)"
        "(Provider[@Name='EventLog'] and (EventID=6006 or EventID=6008))"
        "(Provider[@Name='Microsoft-Windows-Kernel-Power'] and EventID=41)"
        "(Provider[@Name='User32'] and EventID=1074)"
    )
    $query = '*[System[(EventRecordID>{0}) and ({1})]]' -f $AfterRecordId, ($kinds -join ' or ')
    try {
        $events = @(Get-WinEvent -LogName 'System' -FilterXPath $query -MaxEvents $MaxEvents -Oldest -ErrorAction Stop)
    }
    catch {
        if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') {
            throw
        }
        return
    }
    foreach ($event in $events) {
        $node = "$($event.MachineName)".Split('.')[0]
        if ($event.Id -eq 1135) {
            # The text is localised; its first insert names the node.
            $node = "$($event.Properties[0].Value)"
        }
        [pscustomobject] @{
            PSTypeName = 'Reconciler.Event'
            RecordId = [long] $event.RecordId
            ProviderName = "$($event.ProviderName)"
            Id = [int] $event.Id
            TimeCreated = ConvertTo-UtcText -Time $event.TimeCreated
            Node = $node.ToUpperInvariant()
        }
    }
}
