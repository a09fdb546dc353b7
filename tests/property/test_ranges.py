"""Ranges are sets of bytes: each law is checked against the set itself."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.ranges import ByteRange, aligned, clipped, merged, pieces, total_bytes

RANGES = st.lists(
    st.builds(
        lambda start, length: ByteRange(start, start + length),
        st.integers(0, 300),
        st.integers(1, 40),
    ),
    max_size=12,
)
BLOCKS = st.integers(1, 64)


def bytes_of(ranges: Iterable[ByteRange]) -> set[int]:
    return {at for this in ranges for at in range(this.start, this.end)}


def never_touch(ranges: Sequence[ByteRange]) -> bool:
    return all(one.end < other.start for one, other in pairwise(ranges))


@given(RANGES)
def test_merged_ranges_hold_the_same_bytes_and_never_touch(ranges: list[ByteRange]) -> None:
    found = merged(ranges)

    assert bytes_of(found) == bytes_of(ranges)
    assert never_touch(found)
    assert total_bytes(found) == len(bytes_of(ranges))
    assert merged(found) == found


@given(RANGES.flatmap(lambda ranges: st.tuples(st.just(ranges), st.permutations(ranges))))
def test_the_order_of_ranges_does_not_matter(
    both: tuple[list[ByteRange], list[ByteRange]],
) -> None:
    ranges, shuffled = both

    assert merged(shuffled) == merged(ranges)


@given(RANGES, st.integers(0, 350))
def test_clipped_ranges_lose_exactly_what_is_beyond_the_end(
    ranges: list[ByteRange], end: int
) -> None:
    found = list(clipped(ranges, end))

    assert bytes_of(found) == {at for at in bytes_of(ranges) if at < end}
    assert list(clipped(found, end)) == found


@given(RANGES, BLOCKS)
def test_aligned_ranges_are_exactly_the_blocks_that_were_touched(
    ranges: list[ByteRange], block: int
) -> None:
    found = aligned(ranges, block)

    assert all(r.start % block == 0 == r.end % block for r in found)
    assert {at // block for at in bytes_of(found)} == {at // block for at in bytes_of(ranges)}
    assert never_touch(found)
    assert aligned(found, block) == found


@given(RANGES, BLOCKS)
def test_pieces_are_the_ranges_in_order_and_none_is_too_long(
    ranges: list[ByteRange], most: int
) -> None:
    found = list(pieces(ranges, most))

    assert [at for this in found for at in range(this.start, this.end)] == [
        at for this in ranges for at in range(this.start, this.end)
    ]
    assert all(this.length <= most for this in found)
    assert len(found) == sum(-(-this.length // most) for this in ranges)
    assert list(pieces(found, most)) == found


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_a_range_is_never_empty_nor_before_the_beginning(start: int, end: int) -> None:
    try:
        found = ByteRange(start, end)
    except ValueError:
        assert start < 0 or end <= start
    else:
        assert found.length == end - start > 0
        assert found.start >= 0
