"""A machine that is busy for a while is waited for, and a job that is stopped waits no more."""

from collections.abc import Callable

import pytest

from reconciler.errors import JobStoppedError, MachineBusyError
from reconciler.execute import patience
from reconciler.execute.meter import Meter
from reconciler.execute.patience import require_free, until_free
from reconciler.model.machine import VirtualMachine


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LOOK_EVERY_S", 0.001)


def busy(times: int, then: Callable[[], None] = lambda: None) -> Callable[[], int]:
    """Says so many times that the machine is busy; afterwards how often it was asked."""
    asked: list[int] = []

    def attempt() -> int:
        asked.append(1)
        if len(asked) <= times:
            then()
            raise MachineBusyError("erp is busy: MergingDisks", hint="wait")
        return len(asked)

    return attempt


def test_it_is_tried_again_until_the_machine_is_free() -> None:
    assert until_free(busy(3), Meter(), 600) == 4


def test_what_goes_on_is_named_when_the_patience_ends() -> None:
    with pytest.raises(MachineBusyError, match="MergingDisks; it was waited for 0 s"):
        until_free(busy(1), Meter(), 0)


def test_a_job_that_is_stopped_waits_no_more() -> None:
    meter = Meter()
    with pytest.raises(JobStoppedError):
        until_free(busy(1000, lambda: meter.stop("the loop ends")), meter, 600)


@pytest.mark.parametrize("status", ["MergingDisks", "CreatingSnapshot", "DeletingSnapshot"])
def test_a_machine_whose_disks_are_worked_on_is_busy(
    make_vm: Callable[..., VirtualMachine], status: str
) -> None:
    require_free(make_vm())
    with pytest.raises(MachineBusyError, match=status):
        require_free(make_vm(operational_status=("InService", status)))
