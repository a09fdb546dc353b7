"""What is ours on a host is told by a name that only we give."""

from collections.abc import Callable

import pytest

from reconciler.model.machine import ControllerSlot, NaturalKey, Role, VirtualMachine
from reconciler.model.names import DataSourceId, HostName, JobId, ServerId, VmId
from reconciler.model.observed import Observed, checkpoint_name, job_of
from reconciler.model.ranges import ByteRange, total_bytes

SERVER = ServerId("5e12ae00")


def test_the_name_of_a_checkpoint_tells_its_job() -> None:
    assert job_of(SERVER, checkpoint_name(SERVER, JobId("job-1"))) == "job-1"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "reconciler",
        "reconciler 5e12ae00",
        "reconciler 5e12ae00 job-1 ",
        "reconciler 5e12ae00 job-1 more",
        "Reconciler 5e12ae00 job-1",
        " reconciler 5e12ae00 job-1",
        "reconciler  5e12ae00 job-1",
        "other 5e12ae00 job-1",
        checkpoint_name(ServerId("another-server"), JobId("job-1")),
    ],
)
def test_a_checkpoint_of_any_other_name_is_not_ours(name: str) -> None:
    assert job_of(SERVER, name) is None


def test_a_replica_machine_is_not_its_primary(
    make_vm: Callable[..., VirtualMachine],
    make_observed: Callable[..., Observed],
    with_replica: Callable[..., Observed],
) -> None:
    primary, copy = make_vm(), make_vm(role=Role.REPLICA)
    observed = with_replica(make_observed(primary), primary)

    found = observed.source_of(primary.key)
    assert primary.id == copy.id
    assert found is not None
    assert found.id == DataSourceId("source-erp")
    assert observed.source_of(copy.key) is None


def test_only_a_host_without_an_answer_is_silent(
    make_vm: Callable[..., VirtualMachine], make_observed: Callable[..., Observed]
) -> None:
    observed = make_observed(make_vm(host="hv1"), silent=["hv2"])

    silent = [name for name in ("hv1", "hv2", "hv3") if observed.is_silent(HostName(name))]
    assert silent == ["hv2"]


def test_keys_and_slots_are_shown_as_people_write_them() -> None:
    assert str(NaturalKey(VmId("abc"), Role.TEST_REPLICA)) == "abc/test_replica"
    assert str(ControllerSlot("SCSI", 0, 1)) == "SCSI 0:1"


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (0, 0), (5, 4)])
def test_what_is_no_range_is_refused_with_its_numbers(start: int, end: int) -> None:
    with pytest.raises(ValueError, match=rf"^not a byte range: {start}\.\.{end}$"):
        ByteRange(start, end)


def test_overlapping_ranges_count_twice_until_they_are_merged() -> None:
    assert total_bytes([ByteRange(0, 10), ByteRange(5, 10)]) == 15
