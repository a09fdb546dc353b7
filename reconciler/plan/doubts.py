"""Replicas that may differ from their sources after what happened to a host.

A host that crashes alone raises no doubt: change tracking survives that. A node that its cluster
lost may have written what the survivors' tracking never saw; so may one that restarts with
BitLocker on cluster shared volumes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.model.machine import HostEvent, HostReport, NaturalKey
from reconciler.model.names import DataSourceId, HostName
from reconciler.model.observed import Observed, Watch
from reconciler.model.protection import DataSource
from reconciler.plan.actions import Doubt
from reconciler.plan.moved import Moved
from reconciler.plan.words import shown

# Source: hyperv-facts.md §3.3.
_CLUSTERING: Final = "Microsoft-Windows-FailoverClustering"
_NODE_DOWN: Final = 1135
_PLANNED: Final = frozenset({("User32", 1074), ("EventLog", 6006)})
PLANNED_WITHIN: Final = timedelta(minutes=15)
"""A node that said that it shuts down is lost as planned, if it goes within this time."""
SKEW: Final = timedelta(minutes=5)
"""Clocks of hosts differ by so much at most. Source: what Kerberos tolerates in a domain."""
_JITTER: Final = timedelta(seconds=1)
"""The time of a boot is counted back from the clock, and moves a little when that is corrected."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What a plan takes note of, beside what it does."""

    doubts: tuple[Doubt, ...]
    watches: Mapping[HostName, Watch]


def take_note(observed: Observed) -> Noted:
    """Doubts that what happened since the last look raises, and how far events are noted by it.

    Of a host that is seen for the first time, nothing is old and nothing is new.
    """
    found: dict[DataSourceId, Doubt] = {}
    for doubt in (*_lost_nodes(observed), *_restarts(observed)):
        found.setdefault(doubt.source, doubt)
    watches = {}
    for host, report in sorted(observed.inventory.reports.items()):
        before = observed.watches.get(host)
        if (now := _watch(report, before)) != before:
            watches[host] = now
    return Noted(tuple(found[source] for source in sorted(found)), watches)


def _watch(report: HostReport, before: Watch | None) -> Watch:
    newest = max((event.record_id for event in report.events), default=0)
    own = report.facts.computer_name.lower()
    announced = [e.at for e in report.events if _is_planned(e) and e.node.lower() == own]
    if before is None:
        return Watch(report.facts.booted_at, newest, next(reversed(announced), None))
    return Watch(
        report.facts.booted_at,
        newest if report.has_new_log else max(newest, before.last_event),
        next(reversed(announced), before.announced_at),
    )


def _is_planned(event: HostEvent) -> bool:
    return (event.provider, event.id) in _PLANNED


def _lost_nodes(observed: Observed) -> Iterator[Doubt]:
    reports = observed.inventory.reports
    planned = [
        (event.node.lower(), event.at)
        for report in reports.values()
        for event in report.events
        if _is_planned(event)
    ]
    by_node = _hosts_by_node(observed)
    for node, host in by_node.items():
        watch = observed.watches.get(host)
        if watch is not None and watch.announced_at is not None:
            planned.append((node, watch.announced_at))
    losses = [
        (report, event)
        for host, report in sorted(reports.items())
        for event in _new_losses(report, observed.watches.get(host))
        if not any(of == event.node.lower() and _announces(at, event) for of, at in planned)
    ]
    if not losses:
        return
    moved = Moved(observed, by_node)
    for report, event in losses:
        yield from _doubts_of_node(observed, by_node.get(event.node.lower()), event)
        yield from _doubts_of_moved(observed, moved, report, event)


def _new_losses(report: HostReport, watch: Watch | None) -> Iterator[HostEvent]:
    if watch is None:
        return
    for event in report.events:
        is_noted = not report.has_new_log and event.record_id <= watch.last_event
        if not is_noted and (event.provider, event.id) == (_CLUSTERING, _NODE_DOWN):
            yield event


def _announces(announced_at: datetime, loss: HostEvent) -> bool:
    return loss.at - PLANNED_WITHIN <= announced_at <= loss.at + SKEW


def _doubts_of_node(observed: Observed, host: HostName | None, event: HostEvent) -> Iterator[Doubt]:
    why = f"the node {event.node} that it ran on was lost at {shown(event.at)}"
    for source in observed.sources.values():
        if source.host == host and _is_concerned(observed, source, event):
            yield Doubt(source.id, source.label, why)


def _doubts_of_moved(
    observed: Observed, moved: Moved, report: HostReport, event: HostEvent
) -> Iterator[Doubt]:
    """What moved since the last look may have been on the lost node, and have come from there."""
    for source in moved.of(report, event.node):
        if _is_concerned(observed, source, event):
            why = (
                f"the node {event.node} of its cluster was lost at {shown(event.at)}, and it may "
                f"have run there: it is not where it was seen before, on {source.host}"
            )
            yield Doubt(source.id, source.label, why)


def _is_concerned(observed: Observed, source: DataSource, event: HostEvent) -> bool:
    if not _can_be_doubted(observed, source):
        return False
    checked_at = observed.replicas[source.id].checked_at
    # another node of the cluster may tell of a loss long after it was dealt with
    return checked_at is None or checked_at <= event.at + SKEW


def _restarts(observed: Observed) -> Iterator[Doubt]:
    for host, report in sorted(observed.inventory.reports.items()):
        watch = observed.watches.get(host)
        if watch is None or abs(report.facts.booted_at - watch.booted_at) <= _JITTER:
            continue
        volumes = tuple(
            volume.path.lower()
            for volume in report.volumes
            if volume.is_cluster_shared and volume.is_encrypted
        )
        if volumes:
            yield from _doubts_of_restart(observed, host, report, volumes)


def _doubts_of_restart(
    observed: Observed, host: HostName, report: HostReport, volumes: tuple[str, ...]
) -> Iterator[Doubt]:
    paths = _disk_paths(observed)
    restarted = (
        f"{host} restarted at {shown(report.facts.booted_at)}, "
        "and BitLocker is on for the cluster shared volume of its disks"
    )
    moved = Moved(observed, _hosts_by_node(observed))
    here = [source for source in observed.sources.values() if source.host == host]
    others = [s for s in moved.of(report, report.facts.computer_name) if s.host != host]
    for source in (*here, *others):
        if not _can_be_doubted(observed, source):
            continue
        # of a machine that nobody reports now, nobody knows where its disks are
        disks = paths.get(source.key)
        if disks is None or any(path.startswith(volumes) for path in disks):
            before = f"; it may have run there, it was seen on {source.host} before"
            why = f"its host {restarted}" if source.host == host else f"{restarted}{before}"
            yield Doubt(source.id, source.label, why)


def _can_be_doubted(observed: Observed, source: DataSource) -> bool:
    """Also one that is in doubt: what is at work on it may have begun before this happened."""
    replica = observed.replicas.get(source.id)
    return replica is not None and replica.head is not None


def _disk_paths(observed: Observed) -> Mapping[NaturalKey, list[str]]:
    found: dict[NaturalKey, list[str]] = {}
    for report in observed.inventory.reports.values():
        for machine in report.machines:
            found.setdefault(machine.key, []).extend(disk.path.lower() for disk in machine.disks)
    return found


def _hosts_by_node(observed: Observed) -> Mapping[str, HostName]:
    """Hosts by what they call themselves; one that is silent by what the policies call it.

    Those may call it by its full name; a cluster uses the short one.
    """
    silent = {host.lower(): host for host in observed.inventory.silent}
    silent = {name.split(".")[0]: host for name, host in silent.items()} | silent
    told = {
        report.facts.computer_name.lower(): host
        for host, report in observed.inventory.reports.items()
    }
    return silent | told
