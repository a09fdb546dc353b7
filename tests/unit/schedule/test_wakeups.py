"""What wakes the loop."""

from threading import Thread

from reconciler.schedule.wakeups import Wakeups


def test_a_tick_ends_the_wait() -> None:
    with Wakeups(every_s=0.2) as wakeups:
        wakeups.wait()
        wakeups.wait()


def test_a_hint_ends_a_wait_that_would_be_long() -> None:
    with Wakeups(every_s=600) as wakeups:
        waiting = Thread(target=wakeups.wait)
        waiting.start()
        wakeups.wake()
        waiting.join(30)

        assert not waiting.is_alive()


def test_hints_that_came_before_are_one() -> None:
    with Wakeups(every_s=600) as wakeups:
        wakeups.wake()
        wakeups.wake()
        wakeups.wait()
        second = Thread(target=wakeups.wait, daemon=True)
        second.start()
        second.join(0.3)

        assert second.is_alive()
        wakeups.wake()
        second.join(30)
