"""How much may still be written to a volume."""

import pytest

from reconciler.adapters.volume_room import Limits, VolumeRoom
from reconciler.errors import RepositoryUnavailableError, Retry, VolumeFullError

MIB = 1 << 20


def room(stored: int | None = 0, **limits: int) -> tuple[VolumeRoom, list[int]]:
    noted: list[int] = []
    found = VolumeRoom("main/main-1", stored, noted.append)
    found.limits = Limits(**limits)
    return found, noted


def stored(of: VolumeRoom) -> int | None:
    """Asked anew each time: it changes behind the back of a type checker."""
    return of.stored_bytes


def test_without_limits_everything_is_taken_and_counted() -> None:
    found, noted = room(7)
    found.take(5)

    assert found.stored_bytes == 12
    found.flush()
    found.flush()
    assert noted == [5]


def test_a_quota_is_filled_to_its_last_byte_and_no_further() -> None:
    found, _ = room(90, quota_bytes=100)
    found.take(10)

    with pytest.raises(VolumeFullError, match="main/main-1 has reached its quota of 100") as full:
        found.take(1)
    assert found.stored_bytes == 100
    assert (full.value.code, full.value.retry) == ("repository.volume_full", Retry.LATER)
    assert isinstance(full.value, RepositoryUnavailableError)
    assert "disk-allocation" in full.value.hint


def test_the_reserve_stays_free() -> None:
    found, noted = room(reserve_bytes=100)
    free = [130, 110, 110]
    found.free_bytes = lambda: free.pop(0)
    found.take(20)

    with pytest.raises(VolumeFullError, match="110 bytes free, and 100 of them are kept free"):
        found.take(20)
    found.take(10)
    found.flush()
    assert noted == [30]


def test_where_nobody_can_tell_what_is_free_only_the_quota_counts() -> None:
    found, _ = room(reserve_bytes=100)
    found.take(1 << 50)

    assert found.stored_bytes == 1 << 50


def test_what_was_written_is_noted_now_and_then() -> None:
    found, noted = room()
    for _ in range(40):
        found.take(16 * MIB)

    assert noted == [256 * MIB, 256 * MIB]
    found.flush()
    assert sum(noted) == 640 * MIB


def test_a_measurement_takes_the_place_of_what_was_counted() -> None:
    found, noted = room(None)
    found.take(50)
    assert stored(found) is None

    found.measured(10)
    found.flush()
    found.take(1)
    found.flush()
    assert stored(found) == 11
    assert noted == [1]
