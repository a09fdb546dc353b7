"""Whole replicas that a person lets go. A group's claim is stronger than a request."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.observed import RequestKind
from reconciler.model.protection import DataSource
from reconciler.plan.actions import DeletePoints, Subject
from reconciler.plan.departed import has_points
from reconciler.plan.index import Index
from reconciler.plan.members import Membership, claims
from reconciler.plan.words import request_command
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.selectors import Candidate


@dataclass(frozen=True, slots=True)
class Why:
    """Why something that was asked for is not done, and what would help."""

    message: str
    hint: str


def deletions(
    wanted: PolicySet, index: Index, found: Membership, *, has_hole: bool
) -> Iterator[DeletePoints]:
    """What is asked for and can be done."""
    for source_id, requests in index.requests.items():
        ids = tuple(r.id for r in requests if r.kind is RequestKind.DELETE_POINTS)
        source = index.observed.sources.get(source_id)
        if not ids or source is None or source_id in index.observed.running:
            continue
        if why_not_deleted(wanted, index, found, source, has_hole=has_hole) is None:
            count = index.observed.point_counts.get(source_id, 0)
            here = found.here.get(source.key)
            host = here.host if here else source.host
            yield DeletePoints(
                Subject(source.key, source.machine_name, host, None),
                "requested",
                source_id,
                count,
                ids,
            )


def why_not_deleted(
    wanted: PolicySet, index: Index, found: Membership, source: DataSource, *, has_hole: bool
) -> Why | None:
    """What stands against letting all points of a machine go."""
    again = request_command("delete-points", source.label)
    if has_hole:
        return Why(
            "a policy file is broken and may claim this machine",
            f"mend it (reconciler check), then ask again: {again}",
        )
    if names := _claims(wanted, found, source):
        return Why(
            f"group {names[0]} claims this machine, so its points are kept",
            f"exclude it from the group with a reason, then ask again: {again}",
        )
    is_seen = source.key in found.reported and source.key not in found.strangers
    if not is_seen and index.observed.is_silent(source.host):
        return Why(
            f"its host {source.host} says nothing, so nobody knows what claims it",
            f"start the host, or take it out of the policies, then ask again: {again}",
        )
    if any(job.has_saved for job in index.unfinished.get(source.id, ())):
        return Why(
            "a job of ours that saved it ended before it let it run on",
            f"let it run on (reconciler apply, or Start-VM on its host), then ask again: {again}",
        )
    if not has_points(index.observed, source):
        return Why("there are no recovery points of it", "see what there is: reconciler show")
    return None


def _claims(wanted: PolicySet, found: Membership, source: DataSource) -> list[str]:
    """Groups that claim a machine; of one that no host reports, by what was known last."""
    if source.key in found.reported:
        return [group.name for group in found.claims.get(source.key, ())]
    known = Candidate(
        source.host,
        wanted.cluster_of(source.host),
        source.machine_name,
        source.key.vm_id,
        source.key.role,
        {},
    )
    return [group.name for group in wanted.groups if claims(group, known)]
