"""What a recovery point can claim depends on the guest, never on hope."""

from collections.abc import Callable

import pytest

from reconciler.model.machine import IntegrationService, Role, VirtualMachine
from reconciler.model.protection import USUAL_WISH, Consistency, ConsistencyWish, Otherwise
from reconciler.plan.consistency import (
    VSS_COMPONENT,
    NoWay,
    Way,
    guest_obstacle,
    way_to_capture,
)

MakeVm = Callable[..., VirtualMachine]
HEARTBEAT = "57ac0d4a-0000-4000-8000-000000000000"
SERVER_2012_R2, SERVER_2016, SERVER_2022 = 9600, 14_393, 20_348
SAVED_FOR_IT = Way(Consistency.OFFLINE, saves_machine=True)
CRASH = Way(Consistency.CRASH)


def service(component: str = VSS_COMPONENT, status: str = "Ok", *, on: bool = True) -> object:
    return (IntegrationService(component, on, status),)


def otherwise(name: str) -> ConsistencyWish:
    return ConsistencyWish(otherwise=Otherwise(name))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Way(Consistency.APPLICATION)),
        ({"guest_os": "WINDOWS 11 Pro"}, Way(Consistency.APPLICATION)),
        ({"guest_os": "Ubuntu 24.04"}, Way(Consistency.FILE_SYSTEM)),
        ({"guest_os": ""}, Way(Consistency.FILE_SYSTEM)),
        ({"integration_services": ()}, SAVED_FOR_IT),
        ({"integration_services": service(on=False)}, SAVED_FOR_IT),
        ({"integration_services": service(status="NoContact")}, SAVED_FOR_IT),
        ({"integration_services": service(component=HEARTBEAT)}, SAVED_FOR_IT),
        ({"state": "Off"}, Way(Consistency.OFFLINE)),
        ({"state": "Saved"}, Way(Consistency.OFFLINE)),
        ({"state": "FastSaved", "integration_services": ()}, Way(Consistency.OFFLINE)),
        ({"state": "Hibernated"}, Way(Consistency.OFFLINE)),
        ({"role": Role.REPLICA}, CRASH),
        ({"role": Role.EXTENDED_REPLICA, "state": "Off"}, CRASH),
        ({"role": Role.TEST_REPLICA}, CRASH),
    ],
)
def test_a_machine_promises_no_more_than_its_guest_can_give(
    make_vm: MakeVm, fields: dict[str, object], expected: Way
) -> None:
    assert way_to_capture(make_vm(**fields), SERVER_2022, USUAL_WISH) == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [(SERVER_2012_R2, SAVED_FOR_IT), (SERVER_2016, Way(Consistency.APPLICATION))],
)
def test_a_guest_can_be_asked_from_server_2016_on(
    make_vm: MakeVm, build: int, expected: Way
) -> None:
    assert way_to_capture(make_vm(), build, USUAL_WISH) == expected


@pytest.mark.parametrize("state", ["Running", "Paused"])
def test_a_group_that_does_not_ask_the_guest_gets_crash_consistency(
    make_vm: MakeVm, state: str
) -> None:
    wish = ConsistencyWish(asks_guest=False, otherwise=Otherwise.REFUSE)

    assert way_to_capture(make_vm(state=state), SERVER_2022, wish) == CRASH


@pytest.mark.parametrize("state", ["Off", "Saved"])
def test_a_machine_that_does_not_run_is_captured_whatever_is_wished(
    make_vm: MakeVm, state: str
) -> None:
    for wish in (otherwise("refuse"), ConsistencyWish(asks_guest=False)):
        found = way_to_capture(make_vm(state=state), SERVER_2012_R2, wish)
        assert found == Way(Consistency.OFFLINE)


def test_where_the_guest_cannot_answer_the_policy_decides(make_vm: MakeVm) -> None:
    mute = make_vm(integration_services=())

    assert way_to_capture(mute, SERVER_2022, otherwise("crash")) == CRASH
    assert way_to_capture(mute, SERVER_2022, otherwise("saved_state")) == SAVED_FOR_IT
    refused = way_to_capture(mute, SERVER_2022, otherwise("refuse"))
    assert isinstance(refused, NoWay)
    assert refused.reason == (
        "the integration service Backup (volume shadow copy) is not there, "
        "and its group refuses anything less"
    )
    assert "otherwise: saved_state" in refused.hint


def test_only_a_machine_that_runs_can_be_saved(make_vm: MakeVm) -> None:
    paused = make_vm(state="Paused")
    found = way_to_capture(paused, SERVER_2022, USUAL_WISH)

    assert isinstance(found, NoWay)
    assert found.reason == (
        "its state is Paused, so the guest cannot be asked, and only a running machine can be saved"
    )
    assert "otherwise: crash" in found.hint
    assert way_to_capture(paused, SERVER_2022, otherwise("crash")) == CRASH


@pytest.mark.parametrize(
    ("services", "reason", "hint"),
    [
        ((), "is not there", "install or update"),
        (service(on=False), "is switched off", "switch it on"),
        (service(on=False, status="Ok"), "is switched off", "switch it on"),
        (service(status="NoContact"), "reports NoContact", "vmicvss"),
    ],
)
def test_what_keeps_a_guest_from_taking_part_is_told_with_its_remedy(
    make_vm: MakeVm, services: object, reason: str, hint: str
) -> None:
    found = guest_obstacle(make_vm(integration_services=services), SERVER_2022)

    assert found is not None
    assert found.reason == f"the integration service Backup (volume shadow copy) {reason}"
    assert hint in found.hint


def test_one_usable_service_is_enough(make_vm: MakeVm) -> None:
    old = IntegrationService(VSS_COMPONENT, is_enabled=True, status="LostCommunication")
    new = IntegrationService(VSS_COMPONENT, is_enabled=True, status="Ok")

    assert guest_obstacle(make_vm(integration_services=(old, new)), SERVER_2022) is None
