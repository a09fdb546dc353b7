"""When the disks of a replica machine are certain to be crash-consistent: row by row."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.errors import Retry
from reconciler.model.machine import Replication, Role, VirtualMachine
from reconciler.plan.replica_machines import uncertainty

MakeVm = Callable[..., VirtualMachine]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
FINE = Replication("Replicating", "Normal", NOON, NOON)

CRITICAL = ("waiting.replica_critical", Retry.OPERATOR)
MOVING = ("waiting.replica_moving", Retry.LATER)
INITIAL = ("waiting.replica_initial", Retry.LATER)
RESYNCHRONIZING = ("waiting.replica_resynchronizing", Retry.LATER)
APPLYING = ("waiting.replica_applying_log", Retry.SOON)
NOT_APPLIED = ("waiting.replica_log_not_applied", Retry.SOON)
UNKNOWN = ("waiting.replica_unknown", Retry.OPERATOR)


@pytest.fixture
def copy(make_vm: MakeVm) -> MakeVm:
    """A replica machine, off as they are; fields of its replication or of itself may be given."""

    def make(role: Role = Role.REPLICA, **told: object) -> VirtualMachine:
        of_replication = {k: v for k, v in told.items() if hasattr(FINE, k) and k != "state"}
        if "replication_state" in told:
            of_replication["state"] = told.pop("replication_state")
        of_machine = {k: v for k, v in told.items() if k not in of_replication}
        replication = replace(FINE, **of_replication)  # type: ignore[arg-type]
        fields = {"state": "Off", "replication": replication} | of_machine
        return make_vm(role=role, **fields)

    return make


def classified(machine: VirtualMachine) -> tuple[str, Retry] | None:
    found = uncertainty(machine)
    return (found.code, found.retry) if found else None


@pytest.mark.parametrize("state", ["Replicating", "Suspended", "FailedOver"])
def test_a_replica_that_is_in_order_is_certain(copy: MakeVm, state: str) -> None:
    assert uncertainty(copy(replication_state=state)) is None
    assert uncertainty(copy(Role.EXTENDED_REPLICA, replication_state=state)) is None


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("Error", CRITICAL),
        ("WaitingForStartResynchronize Resynchronizing ResynchronizeSuspended", RESYNCHRONIZING),
        (
            "ReadyForInitialReplication InitialReplicationInProgress WaitingForInitialReplication",
            INITIAL,
        ),
        ("UpdateError WaitingForUpdateCompletion", APPLYING),
        (
            (
                "PreparedForFailover FailedOverWaitingCompletion RecoveryInProgress "
                "FailbackInProgress FailbackComplete WaitingForRepurposeCompletion "
                "FiredrillInProgress PreparedForSyncReplication PreparedForGroupReverseReplication"
            ),
            MOVING,
        ),
        ("Disabled Unknown NeverHeardOf", UNKNOWN),
    ],
)
def test_each_replication_state_has_its_class(
    copy: MakeVm, states: str, expected: tuple[str, Retry]
) -> None:
    for state in states.split():
        found = uncertainty(copy(replication_state=state))
        assert found is not None
        assert (found.code, found.retry) == expected
        assert state in found.reason
        assert found.hint


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ((97, 98, 99, 102, 103, 104, 123, 124, 300, 305, 307), MOVING),
        ((94, 95, 116, 118), INITIAL),
        ((107, 117, 121), RESYNCHRONIZING),
        ((108, 120), APPLYING),
        ((96, 106, 111, 170, 308), None),
    ],
)
def test_each_job_of_hyperv_has_its_class(
    copy: MakeVm, jobs: tuple[int, ...], expected: tuple[str, Retry] | None
) -> None:
    for job in jobs:
        assert classified(copy(job_types=(111, job))) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"state": "OffCritical"}, CRITICAL),
        ({"operational_status": ("Ok", "SupportingEntityInError")}, CRITICAL),
        ({"operational_status": ("CriticalIoError",)}, CRITICAL),
        ({"health": "Critical"}, CRITICAL),
        ({"health": "Critical", "replication_state": "Suspended"}, CRITICAL),
        ({"operational_status": ("Ok", "MigratingVirtualMachine")}, MOVING),
        ({"operational_status": ("StorageMigrationPhaseOne",)}, MOVING),
        ({"operational_status": ("StorageMigrationPhaseTwo",)}, MOVING),
        ({"operational_status": ("MigratingPlannedVm",)}, MOVING),
        ({"health": "Warning"}, None),
        ({"health": "NotApplicable"}, None),
    ],
)
def test_the_machine_itself_tells_of_critical_states_and_migrations(
    copy: MakeVm, told: dict[str, object], expected: tuple[str, Retry] | None
) -> None:
    assert classified(copy(**told)) == expected


@pytest.mark.parametrize(
    ("health", "applied_at", "expected"),
    [
        ("Normal", NOON - timedelta(minutes=5), None),
        ("Normal", None, None),
        ("Warning", NOON - timedelta(microseconds=1), NOT_APPLIED),
        ("Warning", None, NOT_APPLIED),
        ("Warning", NOON, None),
        ("Warning", NOON + timedelta(minutes=1), None),
    ],
)
def test_logs_that_were_received_and_not_applied_are_a_warning_only_together(
    copy: MakeVm, health: str, applied_at: datetime | None, expected: tuple[str, Retry] | None
) -> None:
    machine = copy(health=health, last_applied_at=applied_at)

    assert classified(machine) == expected


def test_a_replica_that_received_nothing_yet_is_behind_nothing(copy: MakeVm) -> None:
    machine = copy(health="Warning", last_replicated_at=None, last_applied_at=None)

    assert uncertainty(machine) is None


def test_after_a_failover_what_was_not_applied_never_will_be(copy: MakeVm) -> None:
    behind = {"health": "Warning", "last_applied_at": NOON - timedelta(days=1)}

    assert uncertainty(copy(replication_state="FailedOver", **behind)) is None
    assert classified(copy(replication_state="Suspended", **behind)) == NOT_APPLIED


def test_the_worst_of_several_reasons_is_told(copy: MakeVm) -> None:
    told = {"job_types": (108,), "replication_state": "Resynchronizing"}

    assert classified(copy(**told)) == RESYNCHRONIZING
    assert classified(copy(**told, health="Critical")) == CRITICAL


def test_a_replica_whose_replication_is_not_told_is_not_certain(make_vm: MakeVm) -> None:
    assert classified(make_vm(role=Role.REPLICA, replication=None)) == UNKNOWN


@pytest.mark.parametrize("role", [Role.PRIMARY, Role.TEST_REPLICA])
def test_other_machines_are_not_asked_about_their_replication(make_vm: MakeVm, role: Role) -> None:
    told = Replication("Resynchronizing", "Critical")

    assert uncertainty(make_vm(role=role, replication=told, job_types=(108,))) is None
