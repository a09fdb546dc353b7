function Get-ReconcilerConfigurationFile {
    <#
    .SYNOPSIS
    The configuration files of a recovery checkpoint; Read-ReconcilerFile reads them.
    #>
    [CmdletBinding()]
    [OutputType('Reconciler.ConfigurationFile')]
    param(
        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $VMId,

        [Parameter(Mandatory = $true)]
        [ValidatePattern('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')]
        [string] $CheckpointId
    )

    Confirm-VM -Cmdlet $PSCmdlet -VMId $VMId
    $snapshot = Get-RecoverySnapshot -VMId $VMId | Where-Object { $_.ConfigurationID -eq $CheckpointId }
    if ($null -eq $snapshot) {
        Stop-Call -Cmdlet $PSCmdlet -ErrorId 'CheckpointNotFound' -Target $CheckpointId -Message "'$VMId' has no checkpoint $CheckpointId"
    }
    # Copied from where they are: ExportSystemDefinition without disks leaves the merging of disks disabled.
    $root = "$($snapshot.ConfigurationDataRoot)"
    if ($root.StartsWith('\\')) {
        Stop-Call -Cmdlet $PSCmdlet -ErrorId 'PathNotAllowed' -Category 'PermissionDenied' -Target $root -Message "$root is on a file server, which the caller cannot be passed on to"
    }
    foreach ($file in @(Get-ConfigurationFile -Snapshot $snapshot)) {
        if ($null -ne $file.Size) {
            [void] $script:ConfigurationFiles.Add($file.Path)
        }
        [pscustomobject] @{
            PSTypeName = 'Reconciler.ConfigurationFile'
            Name = $file.Path.Substring($file.Path.LastIndexOf('\') + 1)
            Path = $file.Path
            FileSize = $file.Size
        }
    }
}
