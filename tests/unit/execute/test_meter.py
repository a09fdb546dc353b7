"""How far a job is."""

import pytest

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
