"""Change tracking: never less than what was written, and shown as badly as it may be."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.lab.dice import Dice
from reconciler.lab.state import DiskState
from reconciler.lab.tracking import Piece, changed_piece, close_epoch, note_changes
from reconciler.model.machine import ControllerSlot
from reconciler.model.ranges import ByteRange, merged, total_bytes

DISK_BYTES = 16 << 30
SPANS = st.lists(
    st.builds(
        lambda start, length: ByteRange(start, min(start + length, DISK_BYTES)),
        st.integers(0, DISK_BYTES - 1),
        st.integers(1, 5 << 20),
    ),
    max_size=12,
)


def make_disk() -> DiskState:
    return DiskState(
        number=0,
        image="none",
        slot=ControllerSlot("SCSI", 0, 0),
        virtual_disk_id="a7c2e9d4-51b3-4f60-8e1d-2c9b7a6f0d10",
        virtual_bytes=DISK_BYTES,
        logical_sector_bytes=512,
        physical_sector_bytes=4096,
        format_block_bytes=1 << 20,
        chain=["C:\\d.vhdx"],
    )


def all_pieces(disk: DiskState, epochs: range, step: int) -> list[Piece]:
    result: list[Piece] = []
    offset = 0
    while offset < DISK_BYTES:
        look = (offset, min(step, DISK_BYTES - offset))
        piece = changed_piece(disk, epochs, look, Dice(offset))
        assert 0 < piece.processed_bytes <= look[1]
        result.append(piece)
        offset += piece.processed_bytes
    return result


@given(st.lists(SPANS, min_size=1, max_size=4), st.integers(0, 4), st.sampled_from([30, 34]))
def test_the_pieces_cover_every_write_since_the_id(
    epochs: list[list[ByteRange]], since: int, step_bits: int
) -> None:
    disk = make_disk()
    for written in epochs:
        note_changes(disk, written)
        close_epoch(disk)
    asked = range(since + 1, len(epochs) + 1)

    pieces = all_pieces(disk, asked, 1 << step_bits)

    shown = merged(extent for piece in pieces for extent in piece.extents)
    wanted = merged(span for epoch in asked for span in epochs[epoch - 1])
    assert merged([*shown, *wanted]) == shown


def test_a_small_change_does_not_show_as_a_large_one() -> None:
    disk = make_disk()
    note_changes(disk, [ByteRange(5 << 30, (5 << 30) + 10)])

    pieces = all_pieces(disk, range(1, 2), DISK_BYTES)

    assert total_bytes(extent for piece in pieces for extent in piece.extents) < 256 << 10


def test_extents_are_now_and_then_unsorted_overlapping_and_past_the_end() -> None:
    disk = make_disk()
    note_changes(disk, [ByteRange(i << 20, (i << 20) + 4096) for i in range(0, 16_000, 100)])

    many = [changed_piece(disk, range(1, 2), (0, DISK_BYTES), Dice(i)) for i in range(40)]
    tails = [changed_piece(disk, range(1, 2), (15 << 30, 1 << 30), Dice(i)) for i in range(40)]

    starts = [extent.start for extent in many[0].extents]
    assert starts != sorted(starts)
    extents = many[0].extents
    assert total_bytes(merged(extents)) < total_bytes(extents)
    assert any(extent.end > DISK_BYTES for tail in tails for extent in tail.extents)
    assert any(piece.processed_bytes < DISK_BYTES for piece in many)


def test_a_look_past_the_end_finds_nothing_and_still_moves_on() -> None:
    piece = changed_piece(make_disk(), range(1, 2), (DISK_BYTES, 512), Dice(1))

    assert piece == Piece(512, ())
