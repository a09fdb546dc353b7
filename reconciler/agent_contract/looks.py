"""Functions that only look."""

from reconciler.agent_contract.shape import (
    NO_HYPER_V,
    AgentFunction,
    Field,
    Kind,
    Parameter,
)

VM_IDS = Parameter("VMId", Kind.STRINGS, "only these machines", is_mandatory=False, maximum=5000)

SLOT = (
    Field("ControllerType", Kind.STRING, "IDE, SCSI or PMEM"),
    Field("ControllerNumber", Kind.INT),
    Field("ControllerLocation", Kind.INT),
)
DISK = (
    *SLOT,
    Field("Path", Kind.STRING, "the image file; empty for a pass-through disk"),
    Field("DiskNumber", Kind.INT, "set for a pass-through disk only", is_optional=True),
    Field("DiskIdentifier", Kind.STRING, "virtual disk id"),
    Field("VhdFormat", Kind.STRING, "VHD, VHDX or VHDSet; empty for a pass-through disk"),
    Field("VhdType", Kind.STRING, "Fixed, Dynamic or Differencing"),
    Field("Size", Kind.LONG, "virtual size"),
    Field("FileSize", Kind.LONG),
    Field("BlockSize", Kind.LONG),
    Field("LogicalSectorSize", Kind.INT),
    Field("PhysicalSectorSize", Kind.INT),
    Field(
        "SupportPersistentReservations", Kind.BOOL, "machines share it: a shared VHDX or VHD set"
    ),
)
GET_HOST = AgentFunction(
    "Get-ReconcilerHost",
    "The host and its agent.",
    (),
    "Reconciler.Host",
    (
        Field("ComputerName", Kind.STRING),
        Field("OSBuild", Kind.INT, "BuildNumber of Win32_OperatingSystem"),
        Field("AgentVersion", Kind.STRING),
        Field("ContractVersion", Kind.INT),
        Field("LastBootUpTime", Kind.STRING, "ISO 8601, UTC"),
        Field("ClusterName", Kind.STRING, "the failover cluster it is a node of; may be empty"),
    ),
)
GET_MACHINE = AgentFunction(
    "Get-ReconcilerMachine",
    "The virtual machines of the host, with their disks.",
    (VM_IDS,),
    "Reconciler.Machine",
    (
        Field("VMId", Kind.STRING),
        Field("Name", Kind.STRING),
        Field("State", Kind.STRING, "name of the VMState"),
        Field("Generation", Kind.INT),
        Field("Version", Kind.STRING, "configuration version, such as 9.0"),
        Field("VirtualMachineType", Kind.STRING, "RealizedVirtualMachine or PlannedVirtualMachine"),
        Field("OperationalStatus", Kind.STRINGS),
        Field("IsClustered", Kind.BOOL),
        Field("Notes", Kind.STRING, "free text of the administrator; may be empty"),
        Field("SnapshotCount", Kind.INT, "the user's own checkpoints (Get-VMSnapshot Standard)"),
        Field("ReplicationMode", Kind.STRING, "None, Primary, Replica, TestReplica, …"),
        Field("ReplicationState", Kind.STRING, "name of the VMReplicationState"),
        Field("ReplicationHealth", Kind.STRING, "name of the VMReplicationHealthState"),
        Field("LastReplicationTime", Kind.STRING, "ISO 8601, UTC", is_optional=True),
        Field("LastAppliedLogTime", Kind.STRING, "ISO 8601, UTC", is_optional=True),
        Field("GuestOSName", Kind.STRING, "OSName of the guest's key-value pairs; may be empty"),
        Field(
            "Jobs",
            Kind.OBJECTS,
            "what Hyper-V is doing with it: unfinished Msvm_ConcreteJob instances",
            fields=(
                Field("JobType", Kind.INT, "such as 108, apply change log"),
                Field("JobState", Kind.STRING, "name of the JobState"),
            ),
        ),
        Field("HardDrives", Kind.OBJECTS, fields=DISK),
        Field(
            "IntegrationServices",
            Kind.OBJECTS,
            fields=(
                Field("ComponentId", Kind.STRING, "GUID of the kind of component"),
                Field("Enabled", Kind.BOOL),
                Field("PrimaryOperationalStatus", Kind.STRING),
            ),
        ),
    ),
    ("VMNotFound", NO_HYPER_V),
)
GET_CHECKPOINT = AgentFunction(
    "Get-ReconcilerCheckpoint",
    "The recovery checkpoints of the host's machines, whoever made them.",
    (VM_IDS,),
    "Reconciler.Checkpoint",
    (
        Field("CheckpointId", Kind.STRING),
        Field("VMId", Kind.STRING),
        Field("ElementName", Kind.STRING),
        Field("CreationTime", Kind.STRING, "ISO 8601, UTC"),
        Field("HardDrives", Kind.OBJECTS, fields=DISK),
    ),
    ("VMNotFound", NO_HYPER_V),
)
GET_REFERENCE_POINT = AgentFunction(
    "Get-ReconcilerReferencePoint",
    "The RCT reference points of the host's machines, whoever made them.",
    (VM_IDS,),
    "Reconciler.ReferencePoint",
    (
        Field("ReferencePointId", Kind.STRING, "InstanceID"),
        Field("VMId", Kind.STRING),
        Field(
            "Disks",
            Kind.OBJECTS,
            fields=(*SLOT, Field("DiskIdentifier", Kind.STRING), Field("RctId", Kind.STRING)),
        ),
    ),
    ("VMNotFound", NO_HYPER_V),
)
GET_CLUSTER = AgentFunction(
    "Get-ReconcilerCluster",
    "The failover cluster that the host is a node of; nothing on a stand-alone host.",
    (),
    "Reconciler.Cluster",
    (
        Field("Name", Kind.STRING),
        Field(
            "Nodes",
            Kind.OBJECTS,
            fields=(
                Field("Name", Kind.STRING, "computer name"),
                Field("State", Kind.STRING, "Up, Down, Paused or Joining"),
            ),
        ),
        Field(
            "Groups",
            Kind.OBJECTS,
            "the groups of the clustered machines",
            fields=(
                Field("VMId", Kind.STRING),
                Field("OwnerNode", Kind.STRING, "computer name"),
                Field("State", Kind.STRING, "Online, Offline, Failed, Pending, …"),
            ),
        ),
    ),
)
GET_VOLUME = AgentFunction(
    "Get-ReconcilerVolume",
    "The volumes of the host, with the cluster shared ones.",
    (),
    "Reconciler.Volume",
    (
        Field("Path", Kind.STRING, "where it is mounted, with a final backslash"),
        Field("Size", Kind.LONG),
        Field("SizeRemaining", Kind.LONG),
        Field("IsClusterShared", Kind.BOOL),
        Field("DedupEnabled", Kind.BOOL, "Enabled of Get-DedupVolume"),
        Field("ProtectionStatus", Kind.STRING, "BitLocker's: On, Off or Unknown"),
    ),
)
GET_EVENT = AgentFunction(
    "Get-ReconcilerEvent",
    "Events of the System log that tell of lost nodes and of restarts, oldest first: "
    "FailoverClustering 1135; EventLog 6006, 6008; Kernel-Power 41; User32 1074.",
    (
        Parameter("AfterRecordId", Kind.LONG, "only later ones", minimum=0),
        Parameter("MaxEvents", Kind.INT, "most that are told", minimum=1, maximum=1000),
    ),
    "Reconciler.Event",
    (
        Field("RecordId", Kind.LONG),
        Field("ProviderName", Kind.STRING),
        Field("Id", Kind.INT),
        Field("TimeCreated", Kind.STRING, "ISO 8601, UTC"),
        Field("Node", Kind.STRING, "the computer it is about: Properties[0] of 1135, else its own"),
    ),
)
