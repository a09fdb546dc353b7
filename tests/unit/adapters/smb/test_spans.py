"""Ranges that are read together."""

from reconciler.adapters.smb.spans import GAP_BYTES, Spans
from reconciler.model.ranges import ByteRange

DATA = bytes(range(256)) * 4096


def read(wanted: Spans) -> list[bytes]:
    return wanted.cut([DATA[span.start : span.end] for span in wanted.spans])


def test_ranges_that_touch_or_overlap_are_read_once() -> None:
    ranges = [ByteRange(4096, 8192), ByteRange(0, 4096), ByteRange(1000, 5000), ByteRange(10, 20)]
    wanted = Spans.over(ranges)

    assert wanted.spans == (ByteRange(0, 8192),)
    assert read(wanted) == [DATA[this.start : this.end] for this in ranges]


def test_a_small_gap_between_large_ranges_is_read_along() -> None:
    near, far = ByteRange(0, 1 << 17), ByteRange((1 << 17) + GAP_BYTES, 1 << 18)
    wanted = Spans.over([near, far])

    assert len(wanted.spans) == 1
    assert read(wanted) == [DATA[this.start : this.end] for this in (near, far)]


def test_a_gap_beyond_the_limit_is_not_read() -> None:
    ranges = [ByteRange(0, 1 << 17), ByteRange((1 << 17) + GAP_BYTES + 1, 1 << 18)]

    assert Spans.over(ranges).spans == tuple(ranges)


def test_many_small_ranges_never_cost_more_than_twice_their_bytes() -> None:
    ranges = [ByteRange(at, at + 512) for at in range(0, 1 << 16, 1025)]
    wanted = Spans.over(ranges)

    assert sum(span.length for span in wanted.spans) <= 2 * sum(this.length for this in ranges)
    assert wanted.spans == tuple(ranges)


def test_nothing_is_read_for_nothing() -> None:
    assert Spans.over([]).spans == ()
