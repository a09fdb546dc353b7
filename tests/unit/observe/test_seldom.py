"""Prerequisites are asked once an hour, and kept in between."""

from collections.abc import Callable
from dataclasses import replace

from reconciler.model.machine import HostReport, VirtualMachine
from reconciler.model.names import HostName
from reconciler.model.observed import Observed
from reconciler.model.requirements import Requirements
from reconciler.observe.seldom import FRESH_S, Seldom

HV1, HV2 = HostName("hv1"), HostName("hv2")


def test_a_host_is_asked_at_the_first_look_and_once_an_hour() -> None:
    now = [0.0]
    seldom = Seldom(clock=lambda: now[0])

    first, second = seldom.is_due(HV1), seldom.is_due(HV1)
    now[0] = FRESH_S - 1
    early = seldom.is_due(HV1)
    now[0] = FRESH_S

    assert (first, second, early) == (True, False, False)
    assert seldom.is_due(HV2)
    assert seldom.is_due(HV1)


def test_what_was_told_last_is_kept(
    make_vm: Callable[..., VirtualMachine], make_observed: Callable[..., Observed]
) -> None:
    bare: HostReport = make_observed(make_vm()).inventory.reports[HV1]
    told = replace(bare, requirements=Requirements((1, 3)))
    seldom = Seldom()

    assert seldom.completed(bare).requirements is None
    assert seldom.completed(told) is told
    assert seldom.completed(bare).requirements == Requirements((1, 3))
    assert seldom.completed(bare).machines == bare.machines
