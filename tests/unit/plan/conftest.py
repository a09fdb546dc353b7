"""A plan of a small world, at noon."""

from collections.abc import Callable
from datetime import datetime

import pytest

from reconciler.model.names import PlanId
from reconciler.model.observed import Observed
from reconciler.plan.actions import Plan
from reconciler.plan.planner import Occasion, make_plan
from reconciler.policy.hosts import HyperVCluster
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup


@pytest.fixture(scope="session")
def plan_of(make_group: Callable[..., ProtectionGroup], noon: datetime) -> Callable[..., Plan]:
    """A look at hosts and groups → the plan at noon; other fields are those of the occasion.

    Without groups it is one of every machine, whose last slot was yesterday at 18:00 UTC.
    """

    def plan(
        observed: Observed,
        *groups: ProtectionGroup,
        clusters: tuple[HyperVCluster, ...] = (),
        now: datetime = noon,
        **fields: object,
    ) -> Plan:
        wanted = PolicySet(groups or (make_group(),), clusters=clusters)
        occasion = Occasion(PlanId("plan-1"), now, "server", **fields)  # type: ignore[arg-type]
        return make_plan(wanted, observed, occasion)

    return plan
