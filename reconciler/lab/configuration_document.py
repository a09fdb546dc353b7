"""The configuration file of a machine, as the lab writes and reads it.

A real .vmcx is Hyper-V's own; this one is a document of the lab under that name.
"""

from pydantic import ValidationError

from reconciler.lab.state import DiskState, MachineState


def configuration_of(machine: MachineState) -> bytes:
    """What a configuration file of a machine holds."""
    return machine.model_dump_json().encode()


def parse_configuration(text: bytes) -> MachineState:
    """The machine that a configuration file is of; what was going on with it is left out.

    Raises:
        ValueError: It is no configuration file.
    """
    try:
        machine = MachineState.model_validate_json(text)
    except ValidationError as error:
        raise ValueError("it is no configuration file of a machine") from error
    machine.checkpoints, machine.reference_points = [], []
    machine.faults, machine.jobs = [], []
    machine.properties |= {
        "State": "Off",
        "SnapshotCount": 0,
        "OperationalStatus": ["Ok"],
        "IsClustered": False,
        "ReplicationMode": "None",
        "ReplicationState": "Disabled",
        "ReplicationHealth": "NotApplicable",
        "LastReplicationTime": None,
        "LastAppliedLogTime": None,
    }
    machine.is_clustered = False
    return machine


def disks_of(machine: MachineState) -> dict[str, DiskState]:
    """The disks that have files, by their slot as texts spell it."""
    return {str(disk.slot): disk for disk in machine.disks if disk.has_file}
