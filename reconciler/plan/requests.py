"""What persons asked for: which requests a plan answers, and why it cannot answer the others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.model.machine import NaturalKey
from reconciler.model.observed import OnDemand, RequestKind
from reconciler.model.protection import DataSource
from reconciler.plan.actions import (
    Action,
    Finding,
    Plan,
    RecoverDisks,
    Refusal,
    RemoveLeftovers,
)
from reconciler.plan.deletions import Why, why_not_deleted
from reconciler.plan.index import Index
from reconciler.plan.members import Membership
from reconciler.plan.words import request_command
from reconciler.policy.policy_set import PolicySet


def answered(action: Action) -> tuple[str, ...]:
    """Ids of the requests that an action answers."""
    match action:
        case RemoveLeftovers():
            return ()
        case RecoverDisks():
            return (action.request,)
        case _:
            return action.requests


def limited_to(plan: Plan, requests: frozenset[str]) -> Plan:
    """Only the machines that have an action answering one of the requests."""
    keys = {a.subject.key for a in plan.actions if not requests.isdisjoint(answered(a))}
    return replace(plan, actions=tuple(a for a in plan.actions if a.subject.key in keys))


@dataclass(frozen=True, slots=True)
class Refusals:
    """What decides about a request that no action answers."""

    wanted: PolicySet
    index: Index
    found: Membership
    held: Mapping[NaturalKey, Finding]
    """Why a member gets no capture."""
    has_hole: bool
    expiry_paused: str

    def of(self, actions: tuple[Action, ...]) -> Iterator[Refusal]:
        """A refusal for each open request that cannot be done; a job at work is waited for."""
        observed = self.index.observed
        done = {request for action in actions for request in answered(action)}
        for request in observed.requests:
            if request.id in done or request.source in observed.running:
                continue
            source = observed.sources.get(request.source)
            if source is None:
                yield Refusal(
                    request.id, "the machine is not known any more", "see: reconciler show"
                )
                continue
            why = self._why(request, source)
            yield Refusal(request.id, f"{source.label}: {why.message}", why.hint)

    def _why(self, request: OnDemand, source: DataSource) -> Why:
        if request.kind is RequestKind.DELETE_POINTS:
            refused = why_not_deleted(
                self.wanted, self.index, self.found, source, has_hole=self.has_hole
            )
            assert refused is not None  # noqa: S101 (else an action answers it)
            return refused
        finding = self.held.get(source.key) or self.found.held.get(source.key)
        if finding is not None:
            return Why(finding.message, finding.hint)
        if source.key not in self.found.claims:
            return self._not_a_member(source)
        if request.kind is RequestKind.IMPORT:
            return Why("it has a replica already", "nothing was imported, and nothing has to be")
        return self._nothing_to_expire(source)

    def _not_a_member(self, source: DataSource) -> Why:
        silent = self.index.observed.inventory.silent.get(source.host)
        excluded = self.found.excluded.get(source.key)
        if excluded is not None:
            return Why(excluded.message, excluded.hint)
        if source.key in self.found.reported:
            if self.has_hole:
                return Why(
                    "no group claims this machine, as far as the policies can be read",
                    "mend the broken file: reconciler check",
                )
            return Why("no group claims this machine", "add it to a group: see reconciler check")
        if silent is not None:
            return Why(f"{silent.message}, and that is its host", silent.hint)
        return Why(
            f"no host reports this machine; it was last seen on {source.host}",
            "see that it exists, and that its host is a HyperVHost of the policies",
        )

    def _nothing_to_expire(self, source: DataSource) -> Why:
        if self.expiry_paused:
            return Why(f"expiry is paused: {self.expiry_paused}", "ask again later")
        if self.has_hole:
            return Why(
                "while a policy file is broken nothing expires",
                "mend it: reconciler check; then ask again: "
                + request_command("expiry", source.label),
            )
        return Why(
            "none of its recovery points is older than its group keeps them",
            "nothing has to be done",
        )
