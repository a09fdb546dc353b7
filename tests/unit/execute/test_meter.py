"""How far a job is."""

import pytest

from reconciler.errors import JobStoppedError
from reconciler.execute.meter import Meter


@pytest.mark.parametrize(
    ("done", "expected", "percent"),
    [
        (0, 0, 0),
        (5, 0, 0),
        (0, 1000, 0),
        (9, 1000, 0),
        (10, 1000, 1),
        (999, 1000, 99),
        (1000, 1000, 100),
        (1001, 1000, 100),
        ((1 << 50) - 1, 1 << 50, 99),
    ],
)
def test_a_hundred_percent_is_shown_only_when_all_is_done(
    done: int, expected: int, percent: int
) -> None:
    assert Meter(done, expected).percent == percent


def test_work_is_added_up_piece_by_piece() -> None:
    meter = Meter()
    for more in (600, 400):
        meter.expect(more)
    for done in (100, 150):
        meter.add(done)

    assert (meter.bytes_done, meter.bytes_expected, meter.percent) == (250, 1000, 25)


def test_totals_that_are_counted_from_zero_go_on_from_what_was_done() -> None:
    meter = Meter()
    meter.add(100)
    first_disk = meter.running_total()
    for total in (10, 40, 70):
        first_disk(total)
    assert meter.bytes_done == 170

    second_disk = meter.running_total()
    second_disk(30)
    assert meter.bytes_done == 200


def test_a_job_that_is_asked_to_stop_stops_at_its_next_piece() -> None:
    meter = Meter()
    set_total = meter.running_total()
    meter.require_going()
    meter.stop("the process is ending")
    meter.stop("too late to be a reason")

    for go_on in (meter.require_going, lambda: meter.add(5), lambda: set_total(7)):
        with pytest.raises(JobStoppedError, match=r"^the job was stopped: the process is ending$"):
            go_on()
    assert meter.bytes_done == 7
    assert not meter.is_lease_lost


def test_a_job_that_another_process_took_over_stops() -> None:
    meter = Meter()
    meter.lose_lease()

    assert meter.is_lease_lost
    with pytest.raises(JobStoppedError, match="another process took the job over"):
        meter.require_going()
