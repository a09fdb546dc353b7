"""What a recovery point can claim depends on the guest, never on hope."""

from collections.abc import Callable

import pytest

from reconciler.model.machine import IntegrationService, Role, VirtualMachine
from reconciler.model.protection import Consistency
from reconciler.plan.consistency import VSS_COMPONENT, obtainable_consistency

MakeVm = Callable[..., VirtualMachine]
HEARTBEAT = "57ac0d4a-0000-4000-8000-000000000000"


def service(component: str = VSS_COMPONENT, status: str = "Ok", *, on: bool = True) -> object:
    return (IntegrationService(component, on, status),)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Consistency.APPLICATION),
        ({"guest_os": "WINDOWS 11 Pro"}, Consistency.APPLICATION),
        ({"guest_os": "Ubuntu 24.04"}, Consistency.FILE_SYSTEM),
        ({"guest_os": ""}, Consistency.CRASH),
        ({"integration_services": ()}, Consistency.CRASH),
        ({"integration_services": service(on=False)}, Consistency.CRASH),
        ({"integration_services": service(status="NoContact")}, Consistency.CRASH),
        ({"integration_services": service(component=HEARTBEAT)}, Consistency.CRASH),
        ({"state": "Off"}, Consistency.OFFLINE),
        ({"state": "Saved"}, Consistency.OFFLINE),
        ({"state": "FastSaved", "integration_services": ()}, Consistency.OFFLINE),
        ({"state": "Paused"}, Consistency.APPLICATION),
        ({"role": Role.REPLICA}, Consistency.CRASH),
        ({"role": Role.EXTENDED_REPLICA, "state": "Off"}, Consistency.CRASH),
        ({"role": Role.TEST_REPLICA}, Consistency.CRASH),
    ],
)
def test_a_machine_promises_no_more_than_its_guest_can_give(
    make_vm: MakeVm, fields: dict[str, object], expected: Consistency
) -> None:
    assert obtainable_consistency(make_vm(**fields)) is expected
