"""What a host or a file server has beside its machines; asked seldom, because it seldom changes."""

from reconciler.agent_contract.shape import NO_HYPER_V, AgentFunction, Field, Kind, Parameter

MAX_SHARES = 100

GET_REQUIREMENT = AgentFunction(
    "Get-ReconcilerRequirement",
    "What backups need of the computer, and of the shares that are named.",
    (
        Parameter(
            "Share",
            Kind.STRINGS,
            "names of shares; the File Server VSS Agent is looked up with them only",
            is_mandatory=False,
            maximum=MAX_SHARES,
        ),
    ),
    "Reconciler.Requirement",
    (
        Field(
            "VssProviderTypes",
            Kind.STRINGS,
            "Type of each VSS provider: 1 system, 2 software, 3 hardware, 4 file share",
        ),
        Field("NoAutoMount", Kind.LONG, "value of mountmgr in the registry; 0 when there is none"),
        Field("Chimney", Kind.STRING, "of Get-NetOffloadGlobalSetting; may be empty"),
        Field("IntegrationServicesVersion", Kind.STRING, "the host's own; may be empty"),
        Field("FileServerVssAgent", Kind.STRING, "InstallState of FS-VSS-Agent; may be empty"),
        Field(
            "Machines",
            Kind.OBJECTS,
            fields=(
                Field("VMId", Kind.STRING),
                Field("ScsiControllers", Kind.INT),
                Field("IntegrationServicesVersion", Kind.STRING, "in the guest; may be empty"),
            ),
        ),
        Field(
            "ShareAccess",
            Kind.OBJECTS,
            "the access lists of the shares that are there",
            fields=(
                Field("Share", Kind.STRING),
                Field("AccountName", Kind.STRING),
                Field("AccessControlType", Kind.STRING, "Allow or Deny"),
                Field("AccessRight", Kind.STRING, "Full, Change, Read or Custom"),
            ),
        ),
    ),
    (NO_HYPER_V,),
)
