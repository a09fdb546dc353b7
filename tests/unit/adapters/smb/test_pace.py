"""A budget of bytes in time."""

from reconciler.adapters.smb.pace import BURST_S, Pace


class Time:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_what_is_read_in_a_while_stays_below_the_rate() -> None:
    time = Time()
    pace = Pace(1000, time, time.wait)
    for _ in range(50):
        pace.take(100)

    assert 5 - BURST_S - 0.1 <= time.now - 100 <= 5


def test_two_that_share_a_pace_have_one_rate_together() -> None:
    time = Time()
    one = other = Pace(1000, time, time.wait)
    for _ in range(10):
        one.take(100)
        other.take(100)

    assert time.now - 100 >= 2 - BURST_S - 0.1


def test_a_pause_is_not_made_up_for_with_more_than_a_burst() -> None:
    time = Time()
    pace = Pace(1000, time, time.wait)
    time.now += 3600
    begun = time.now
    for _ in range(20):
        pace.take(100)

    assert time.now - begun >= 2 - BURST_S - 0.101
