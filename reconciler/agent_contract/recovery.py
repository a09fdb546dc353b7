"""What recovering a machine needs: import, create, remove, disks put in place, the cluster's role.

A target is a file below a folder that the host has for machines: the two default folders of
Hyper-V, a cluster shared volume, the folder of a disk file of a machine here (or of one that was
removed through this agent), or one that an administrator lists in `target-folders.txt` beside the
journal. Of a folder that is the root of a drive, only what is directly in it counts.

Old disks are never deleted unseen. `Aside` renames a machine's disk to `<path>.<mark>.old`, `Place`
renames `<path>.<mark>.new` to the path; `Withdraw` and `Back` undo these; only files with the mark
can be deleted.
"""

from typing import Final

from reconciler.agent_contract.deeds import VM_ID, operation
from reconciler.agent_contract.shape import GUID, Kind, Parameter

DISK_AT: Final = r"^(IDE|SCSI|PMEM) [0-9]{1,3}:[0-9]{1,3}=."
"""A slot and the path of the file to attach there, as in `SCSI 0:1=C:\\VMs\\a.vhdx`."""
MISSING_SWITCH: Final = "33012"
"""Id of the incompatibility that disconnecting cures. Source: hyperv-facts.md §4.1."""
MAX_DISKS: Final = 512

_DISKS = Parameter(
    "Disk", Kind.STRINGS, "slot=path, one for each disk", maximum=MAX_DISKS, pattern=DISK_AT
)
_TARGET_ERRORS = ("PathNotAllowed", "FileNotFound", "FileInUse", "MachineBusy")

START_IMPORT = operation(
    "Start-ReconcilerImport",
    "Import a machine from its configuration file, with its disks at the given paths.",
    Parameter("VMId", Kind.STRING, "the machine that the file is of", pattern=GUID),
    Parameter("ConfigurationPath", Kind.STRING, "its .vmcx or .xml file", maximum=32_767),
    _DISKS,
    Parameter(
        "Identity", Kind.STRING, "keep its id, or give it a new one", choices=("Keep", "New")
    ),
    Parameter(
        "MissingSwitch",
        Kind.STRING,
        "what to do about a switch that is not here",
        choices=("Refuse", "Disconnect"),
    ),
    errors=(*_TARGET_ERRORS, "MachineExists"),
)
START_CREATION = operation(
    "Start-ReconcilerCreation",
    "Create a machine from facts alone, with its disks; it has a new id and no network.",
    Parameter("Name", Kind.STRING, "what it is called", minimum=1, maximum=100),
    Parameter("Generation", Kind.INT, "1 or 2", minimum=1, maximum=2),
    Parameter("Version", Kind.STRING, "configuration version", pattern=r"^[0-9]{1,3}\.[0-9]{1,3}$"),
    Parameter("MemoryBytes", Kind.LONG, "memory at its start", minimum=32 << 20, maximum=48 << 40),
    Parameter("ProcessorCount", Kind.INT, "virtual processors", minimum=1, maximum=2048),
    Parameter("Folder", Kind.STRING, "where its configuration goes", maximum=32_767),
    _DISKS,
    errors=_TARGET_ERRORS,
)
START_MACHINE_REMOVAL = operation(
    "Start-ReconcilerMachineRemoval",
    "Remove a machine that is off and has no checkpoints; the files of its disks stay.",
    VM_ID,
    errors=("VMNotFound", "MachineBusy", "MachineNotOff", "MachineHasCheckpoints"),
)
START_USER_CHECKPOINT_REMOVAL = operation(
    "Start-ReconcilerUserCheckpointRemoval",
    "Remove the user's own checkpoints of a machine; their differencing disks merge.",
    VM_ID,
    errors=("VMNotFound", "MachineBusy"),
)
START_DISK_SWAP = operation(
    "Start-ReconcilerDiskSwap",
    "Rename a disk file of a machine that is off, put another in its place, or undo that.",
    Parameter("VMId", Kind.STRING, "the machine; it may have been removed", pattern=GUID),
    Parameter("Path", Kind.STRING, "the disk file as the machine names it", maximum=32_000),
    Parameter("Mark", Kind.STRING, "whose swap it is: part of the other names", pattern=GUID),
    Parameter(
        "Change",
        Kind.STRING,
        "which step",
        choices=("Aside", "Place", "Withdraw", "Back", "DeleteOld", "DeleteNew"),
    ),
    errors=("MachineNotOff", "MachineBusy", "PathNotAllowed", "FileNotFound", "FileExists"),
)
START_CLUSTER_CHANGE = operation(
    "Start-ReconcilerClusterChange",
    "Make a machine highly available, take it off line for a recovery, or bring it back.",
    VM_ID,
    Parameter(
        "Change",
        Kind.STRING,
        "which step",
        choices=("AddRole", "TakeOffline", "BringOnline", "UpdateConfiguration"),
    ),
    errors=(
        "VMNotFound",
        "MachineBusy",
        "NotClustered",
        "ClusterGroupNotFound",
        "ClusterRefused",
    ),
)
RECOVERY = (
    START_IMPORT,
    START_CREATION,
    START_MACHINE_REMOVAL,
    START_USER_CHECKPOINT_REMOVAL,
    START_DISK_SWAP,
    START_CLUSTER_CHANGE,
)
REMOVALS = (START_MACHINE_REMOVAL, START_USER_CHECKPOINT_REMOVAL, START_CLUSTER_CHANGE)
"""Those of them that the module of the agent does already."""
