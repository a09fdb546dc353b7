"""The cluster's role of one machine."""

from collections.abc import Mapping

from reconciler.lab.book import HostBook, is_remote
from reconciler.lab.cluster import Group, group_state
from reconciler.lab.state import OperationRecord
from reconciler.lab.targets import machine_files
from reconciler.lab.wire.body import AgentError

_STATES = {"TakeOffline": "Saved", "BringOnline": "Running"}


def check_role(book: HostBook, arguments: Mapping[str, str]) -> None:
    """Refuse a change of a role that is not there, or cannot be.

    Raises:
        AgentError: NotClustered, ClusterGroupNotFound, ClusterRefused.
    """
    vm_id = arguments["VMId"]
    cluster, machine = book.cluster, book.machine(vm_id)
    if cluster is None:
        raise AgentError("NotClustered", "this host is no node of a cluster", target=vm_id)
    shared = cluster.read()
    if vm_id in shared.groups and shared.groups[vm_id].owner != book.state.name:
        text = f"the group of '{machine.name}' is on another node"
        raise AgentError("ClusterRefused", text, target=vm_id)
    if arguments["Change"] != "AddRole":
        if vm_id not in shared.groups:
            text = f"'{machine.name}' has no group on the cluster"
            raise AgentError("ClusterGroupNotFound", text, category="ObjectNotFound", target=vm_id)
        return
    roots = tuple(volume.path.rstrip("\\").casefold() + "\\" for volume in shared.volumes)
    files = [path for path in machine_files(machine) if not is_remote(path)]
    if not all(path.casefold().startswith(roots) for path in files):
        text = f"a disk of '{machine.name}' is on no cluster shared volume"
        raise AgentError("ClusterRefused", text, target=vm_id)


def change_role(book: HostBook, record: OperationRecord) -> None:
    """Make the change; one that is there already stays so."""
    cluster, machine = book.cluster, book.machine(record.vm_id)
    change = record.arguments["Change"]
    if cluster is None:
        return
    if target := _STATES.get(change):
        record.files = machine_files(machine)
        if change == "BringOnline" or machine.state == "Running":
            machine.properties["State"] = target
    with cluster.changing() as shared:
        shared.groups.setdefault(record.vm_id, Group(owner=book.state.name))
        if not machine.is_clustered:
            _give_shadows(book, record.vm_id)
        shared.groups[record.vm_id].state = group_state(machine)


def _give_shadows(book: HostBook, vm_id: str) -> None:
    """The shadows of a clustered machine lie with the cluster; every node has them."""
    machine = book.machine(vm_id)
    before = [book.shadow(machine, disk) for disk in machine.disks]
    machine.is_clustered = True
    machine.properties["IsClustered"] = True
    for source, disk in zip(before, machine.disks, strict=True):
        target = book.shadow(machine, disk)
        if source.is_file() and source != target:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
