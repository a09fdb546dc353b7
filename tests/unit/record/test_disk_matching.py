from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.machine import ControllerSlot
from reconciler.model.names import DiskId
from reconciler.record.disk_matching import SeenDisk, match_disks
from reconciler.record.entries import KnownDisk


def slot(location: int) -> ControllerSlot:
    return ControllerSlot("SCSI", 0, location)


def known(*disks: tuple[str, str, int]) -> list[KnownDisk]:
    return [KnownDisk(DiskId(name), vdid, slot(at)) for name, vdid, at in disks]


def seen(*disks: tuple[str, int]) -> list[SeenDisk]:
    return [SeenDisk(vdid, slot(at)) for vdid, at in disks]


CASES = {
    "the same disk": (known(("d1", "A", 0)), seen(("A", 0)), {0: "d1"}),
    "moved to another slot": (known(("d1", "A", 0)), seen(("A", 5)), {5: "d1"}),
    "its id was reset": (known(("d1", "A", 0)), seen(("Z", 0)), {0: "d1"}),
    "a new disk": (known(("d1", "A", 0)), seen(("A", 0), ("B", 1)), {0: "d1"}),
    "another spelling": (known(("d1", "a-b", 0)), seen(("{A-B}", 3)), {3: "d1"}),
    "no id at all": (known(("d1", "", 0), ("d2", "", 1)), seen(("", 1), ("", 4)), {1: "d2"}),
    "the id wins over the slot": (
        known(("d1", "A", 0), ("d2", "B", 1)),
        seen(("B", 0)),
        {0: "d2"},
    ),
    "two copies of a template": (
        known(("d1", "A", 0), ("d2", "A", 1)),
        seen(("A", 0), ("A", 1)),
        {0: "d1", 1: "d2"},
    ),
    "a copy was added": (known(("d1", "A", 0)), seen(("A", 0), ("A", 1)), {0: "d1"}),
    "copies in new slots are new": (known(("d1", "A", 0)), seen(("A", 1), ("A", 2)), {}),
    "one of two copies is left where it was": (
        known(("d1", "A", 0), ("d2", "A", 1)),
        seen(("A", 1)),
        {1: "d2"},
    ),
    "one of two copies is left elsewhere": (
        known(("d1", "A", 0), ("d2", "A", 1)),
        seen(("A", 7)),
        {},
    ),
}


@pytest.mark.parametrize(("ours", "theirs", "expected"), CASES.values(), ids=CASES.keys())
def test_disks_are_matched_by_id_then_by_slot(
    ours: Sequence[KnownDisk], theirs: Sequence[SeenDisk], expected: dict[int, str]
) -> None:
    assert match_disks(ours, theirs) == {slot(at): name for at, name in expected.items()}


IDS = st.sampled_from(["", "A", "B", "C"])
LOCATIONS = st.lists(st.tuples(IDS, st.integers(0, 4)), max_size=5, unique_by=lambda d: d[1])


@given(LOCATIONS, LOCATIONS, st.data())
def test_no_disk_is_matched_twice_and_order_does_not_matter(
    ours: list[tuple[str, int]], theirs: list[tuple[str, int]], data: st.DataObject
) -> None:
    before = [KnownDisk(DiskId(f"d{n}"), vdid, slot(at)) for n, (vdid, at) in enumerate(ours)]
    after = seen(*theirs)

    matched = match_disks(before, after)

    assert len(set(matched.values())) == len(matched)
    assert set(matched) <= {d.slot for d in after}
    before = data.draw(st.permutations(before))
    after = data.draw(st.permutations(after))
    assert match_disks(before, after) == matched


@given(LOCATIONS)
def test_what_did_not_change_is_matched_in_full(disks: list[tuple[str, int]]) -> None:
    before = [KnownDisk(DiskId(f"d{n}"), vdid, slot(at)) for n, (vdid, at) in enumerate(disks)]

    assert match_disks(before, seen(*disks)) == {d.slot: d.id for d in before}
