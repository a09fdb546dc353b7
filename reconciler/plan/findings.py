"""What a person should know of hosts, groups and members, beside what is due."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from reconciler.model.machine import HostReport, HostVolume, NaturalKey, VirtualMachine
from reconciler.model.names import HostName
from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding, Severity
from reconciler.plan.members import Member
from reconciler.plan.words import counted, listed
from reconciler.policy.protection_group import ProtectionGroup


def silent_hosts(observed: Observed) -> Iterator[Finding]:
    """Hosts that gave no usable answer."""
    for _, host in sorted(observed.inventory.silent.items()):
        yield Finding(
            host.code,
            host.name,
            f"{host.message}; its machines are unknown, not gone",
            host.hint,
            Severity.ERROR,
        )


def damaged(observed: Observed) -> Iterator[Finding]:
    """Machines with recovery points that a verification found damaged."""
    for source, count in observed.damaged_points.items():
        known = observed.sources[source]
        yield Finding(
            "recovery_point.damaged",
            known.label,
            f"{counted(count, 'recovery point')} of it cannot be given back in full: "
            f"reconciler show {known.label}",
            "heal what another volume or a copy still has: reconciler verify --heal; "
            "ask for a consistency check, so that the next points are whole",
            Severity.ERROR,
            known.host,
        )


def unclaimed(
    machines: Iterable[VirtualMachine], held: Collection[NaturalKey]
) -> Iterator[Finding]:
    """Machines that no group ever claimed, one finding a host. Of `held` there are points."""
    by_host: dict[HostName, list[str]] = {}
    for machine in machines:
        if machine.key not in held:
            by_host.setdefault(machine.host, []).append(machine.label)
    for host, names in sorted(by_host.items()):
        yield Finding(
            "host.unclaimed_machines",
            host,
            f"no group claims {counted(len(names), 'machine')} of it: {listed(sorted(names))}",
            "add them to a group, or exclude them there with the reason",
            Severity.INFO,
            host,
        )


def not_available_yet(groups: Iterable[ProtectionGroup]) -> Iterator[Finding]:
    """What policies may say already, but nobody does."""
    for group in groups:
        if group.online is not None and group.online.enabled:
            yield Finding(
                "online.not_available",
                group.name,
                "online protection is not available yet: its recovery points are on disk only",
                "nothing has to be done; copy the storage pool elsewhere if you need it off site",
                Severity.INFO,
            )


def of_member(member: Member) -> Iterator[Finding]:
    """What of a member is not in its backups."""
    machine = member.machine
    for disk in machine.pass_through:
        yield Finding(
            "disk.pass_through",
            machine.label,
            f"the disk at {disk.slot} is the host's physical disk {disk.disk_number}: "
            "it is no file, and not in the backups",
            "protect what is on it from inside the guest, or move it to a VHDX; "
            "the other disks are backed up here",
            host=machine.host,
        )
    for shared in machine.shared:
        yield Finding(
            "disk.shared",
            machine.label,
            f"the disk at {shared.slot} is shared with other machines ({shared.path}): "
            "no checkpoint of one machine holds it, and it is not in the backups",
            "protect what is on it from inside the guests, or give it to one machine alone; "
            "the other disks are backed up here",
            host=machine.host,
        )
    if machine.user_checkpoints:
        yield Finding(
            "machine.user_checkpoints",
            machine.label,
            f"it has {counted(machine.user_checkpoints, 'checkpoint')} of its own; "
            "backups hold its present state, and not these",
            "nothing has to be done; delete those that nobody needs, they slow the disks down",
            Severity.INFO,
            machine.host,
        )


def deduplicated(
    members: Iterable[Member], reports: Mapping[HostName, HostReport]
) -> Iterator[Finding]:
    """Volumes whose files take less room than they are shown with, one finding each."""
    volumes = {
        host: [volume for volume in report.volumes if volume.is_deduplicated]
        for host, report in reports.items()
    }
    found: dict[tuple[HostName, str], list[str]] = {}
    for member in members:
        machine = member.machine
        for volume in volumes.get(machine.host, ()):
            if any(_is_on(volume, disk.path) for disk in machine.disks):
                found.setdefault((machine.host, volume.path), []).append(machine.label)
    for (host, path), names in sorted(found.items()):
        yield Finding(
            "volume.deduplicated",
            host,
            f"disks of {listed(names)} are on the deduplicated volume {path}: "
            "all sizes are the logical ones",
            "nothing has to be done; the files are read as any others",
            Severity.INFO,
            host,
        )


def _is_on(volume: HostVolume, path: str) -> bool:
    return path.lower().startswith(volume.path.lower())
