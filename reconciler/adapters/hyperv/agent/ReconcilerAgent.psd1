@{
    RootModule = 'ReconcilerAgent.psm1'
    ModuleVersion = '1.1.0'
    GUID = '0b7f5c0e-4f0f-4f38-9a1e-5d2f5a1c9b11'
    Author = 'reconciler'
    Description = 'The protection agent of a Hyper-V host: looks and deeds for reconciler, and no decisions.'
    PowerShellVersion = '5.1'
    FunctionsToExport = @(
        'Get-ReconcilerHost'
        'Get-ReconcilerMachine'
        'Get-ReconcilerCheckpoint'
        'Get-ReconcilerReferencePoint'
        'Get-ReconcilerCluster'
        'Get-ReconcilerVolume'
        'Get-ReconcilerEvent'
        'Get-ReconcilerRequirement'
        'Start-ReconcilerCheckpoint'
        'Start-ReconcilerConversion'
        'Start-ReconcilerCheckpointRemoval'
        'Start-ReconcilerReferencePointRemoval'
        'Start-ReconcilerStateChange'
        'Get-ReconcilerOperation'
        'Stop-ReconcilerOperation'
        'Get-ReconcilerDiskChange'
        'Read-ReconcilerFile'
        'Get-ReconcilerBlockHash'
        'Start-ReconcilerImport'
        'Start-ReconcilerCreation'
        'Start-ReconcilerMachineRemoval'
        'Start-ReconcilerUserCheckpointRemoval'
        'Start-ReconcilerDiskSwap'
        'Start-ReconcilerClusterChange'
        'Get-ReconcilerAgentFile'
        'Get-ReconcilerConfigurationFile'
    )
    CmdletsToExport = @()
    VariablesToExport = @()
    AliasesToExport = @()
}
