"""Which recovery points may go, and why the others stay.

Points expire behind the capture of the same plan, which is done before and without which nothing
of this is done: so the point that is the head now may be among them, and is no head by then.
While the newest point is stamped by a clock that was ahead, no slot is filled, so one precedes.

A person may ask for it because a volume is full, and then no capture can succeed before it: what
was asked for is done before the capture, and leaves out the head.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.model.names import DataSourceId, RecoveryPointId
from reconciler.model.observed import Observed, RequestKind
from reconciler.model.protection import InconsistentSpan
from reconciler.plan.actions import ExpirePoints, Finding, Severity
from reconciler.plan.guards import is_bulk_expiry
from reconciler.plan.protect import Protection
from reconciler.plan.standing import Standing
from reconciler.plan.words import counted, request_command
from reconciler.policy.values import shown_duration


@dataclass(frozen=True, slots=True)
class Expiry:
    """What of a member goes, before its capture and behind it; or why nothing does."""

    before: ExpirePoints | None = None
    behind: ExpirePoints | None = None
    held: Finding | None = None


@dataclass(frozen=True, slots=True)
class _Outdated:
    points: tuple[RecoveryPointId, ...]
    """Those that go, oldest first."""
    kept: int
    """As old, but needed to keep as many as the group says."""
    total: int
    """All points there will be when they go."""


def expire(standing: Standing, protection: Protection, observed: Observed) -> Expiry:
    """The points of a member that its group does not keep any more."""
    if standing.source is None or not protection.may_expire:
        return Expiry()
    points = _Points(standing, standing.source.id, observed)
    requests = standing.asked(RequestKind.EXPIRY)
    before = None
    if requests and protection.capture is not None:
        before = _action(points, points.outdated(), requests)
    if before is not None:
        points, requests = points.without(before.points), ()
    outdated = points.outdated(has_capture=protection.capture is not None)
    if not requests and is_bulk_expiry(len(outdated.points), outdated.total):
        return Expiry(before, held=_held(standing, outdated))
    return Expiry(before, _action(points, outdated, requests))


def _action(
    points: "_Points", outdated: _Outdated, requests: tuple[str, ...]
) -> ExpirePoints | None:
    if not outdated.points:
        return None
    standing = points.standing
    reason = "; ".join(_reasons(standing, outdated))
    return ExpirePoints(standing.subject, reason, points.source, outdated.points, requests)


def age(captured_at: datetime, spans: Iterable[InconsistentSpan], now: datetime) -> timedelta:
    """How old a point is; time in which its replica was inconsistent does not count."""
    uncounted = (min(span.ended_at or now, now) - max(span.began_at, captured_at) for span in spans)
    zero = timedelta(0)
    return now - captured_at - sum((each for each in uncounted if each > zero), zero)


@dataclass(frozen=True, slots=True)
class _Points:
    """The points of a member, without those that are gone by then."""

    standing: Standing
    source: DataSourceId
    observed: Observed
    gone: frozenset[RecoveryPointId] = frozenset()

    def without(self, points: Iterable[RecoveryPointId]) -> "_Points":
        """Once some of them are deleted."""
        return replace(self, gone=self.gone.union(points))

    def outdated(self, *, has_capture: bool = False) -> _Outdated:
        """Those that are too old; behind a capture the head is one like any other."""
        standing, source, observed = self.standing, self.source, self.observed
        head = _head(standing)
        kept = self.gone | _being_recovered(observed, source)
        known = [
            (point.captured_at, point.id)
            for point in observed.old_points.get(source, ())
            if head is None or point.id != head[1]
        ]
        if has_capture and head is not None:
            known.append(head)
        spans = observed.inconsistent_spans.get(source, ())
        retention = standing.group.retention
        old = [
            point
            for at, point in sorted(known)
            if point not in kept and age(at, spans, standing.now) > retention
        ]
        total = observed.point_counts.get(source, 0) - len(self.gone) + has_capture
        free = max(0, total - standing.group.keep_at_least)
        return _Outdated(tuple(old[:free]), len(old[free:]), total)


def _being_recovered(observed: Observed, source: DataSourceId) -> set[RecoveryPointId]:
    """What an open recovery reads stays until it has ended."""
    return {each.recovery_point for each in observed.recoveries if each.source == source}


def _head(standing: Standing) -> tuple[datetime, RecoveryPointId] | None:
    replica = standing.replica
    if replica is None or replica.head is None or replica.latest_captured_at is None:
        return None
    return replica.latest_captured_at, replica.head.recovery_point


def _reasons(standing: Standing, outdated: _Outdated) -> Iterator[str]:
    yield f"older than {shown_duration(standing.group.retention)}"
    if outdated.kept:
        least = standing.group.keep_at_least
        yield f"{counted(outdated.kept, 'point')} as old stay, because at least {least} are kept"


def _held(standing: Standing, outdated: _Outdated) -> Finding:
    name, count = standing.machine.label, len(outdated.points)
    return Finding(
        "guard.bulk_expiry",
        name,
        f"{count} of its {outdated.total} recovery points are older than "
        f"{shown_duration(standing.group.retention)}, more than half at once: none of them expires",
        f"if they may go: {request_command('expiry', name)}; "
        f"if not, mend the retention of group {standing.group.name}",
        Severity.ERROR,
        standing.machine.host,
    )
