"""Where the bytes of a VHD are, block by block and sector by sector."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from reconciler.blocks import vhd_format as form
from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.vhd import open_chain
from reconciler.blocks.vhd_format import Footer, Header, Locator
from reconciler.errors import DiskUnreadableError
from reconciler.model.ranges import ByteRange
from tests.disk_images import MIB, MemoryHost, noise

KIB = 1 << 10
BLOCK = 512 * KIB
DATA = 8192
"""Where the first block's bitmap begins; its data are a sector further on."""
BASE_ID, CHILD_ID = UUID(int=1), UUID(int=2)


def image(
    size: int,
    entries: Sequence[int],
    blocks: Sequence[tuple[bytes, bytes]],
    *,
    has_parent: bool = False,
) -> bytes:
    """A VHD made by hand: the block table's entries, and bitmap and data of each block."""
    kind, unique_id = (form.DIFFERENCING, CHILD_ID) if has_parent else (form.DYNAMIC, BASE_ID)
    footer = Footer(kind, size, unique_id, 512).packed()
    name = "base.vhd".encode("utf-16-be")
    parent = (BASE_ID, name, ()) if has_parent else (form.NO_ID, b"", ())
    header = Header(1536, len(entries), BLOCK, *parent).packed()
    table = b"".join(entry.to_bytes(4, "big") for entry in entries)
    data = b"".join(bits.ljust(512, b"\0") + body.ljust(BLOCK, b"\0") for bits, body in blocks)
    return (footer + header + table).ljust(DATA, b"\xff") + data + footer


def place(index: int) -> int:
    """The table's entry for the block that stands at that position in the file."""
    return (DATA + index * (512 + BLOCK)) // 512


def opened(base: bytes, child: bytes | None = None) -> tuple[DiskChain, MemoryHost]:
    files = MemoryHost({"base.vhd": base, "child.avhd": child or b""})
    return open_chain(files, f"C:\\{'child.avhd' if child else 'base.vhd'}"), files


def whole(chain: DiskChain) -> bytes:
    (data,) = chain.read([ByteRange(0, chain.virtual_bytes)])
    return data


def test_the_most_significant_bit_is_the_first_sector() -> None:
    """Hyper-V's own differencing disks have bytes such as 0xcb: sectors 0, 1, 4, 6 and 7."""
    body = noise(1, 8 * 512)
    chain, _ = opened(image(MIB, [place(0), form.UNUSED], [(b"\xcb", body)]))

    sectors = [body[at : at + 512] for at in range(0, len(body), 512)]
    expected = b"".join(s if n in (0, 1, 4, 6, 7) else bytes(512) for n, s in enumerate(sectors))
    assert whole(chain)[: 8 * 512] == expected


def test_a_clear_bit_is_zeros_in_a_dynamic_disk_whatever_the_file_holds() -> None:
    chain, _ = opened(image(MIB, [place(0), form.UNUSED], [(b"\x80", noise(1, BLOCK))]))

    assert whole(chain) == noise(1, BLOCK)[:512] + bytes(MIB - 512)
    assert list(chain.allocated(0, MIB)) == [ByteRange(0, BLOCK)]


def test_a_clear_bit_or_an_unused_block_asks_the_parent_in_a_differencing_disk() -> None:
    ours, theirs = noise(1, BLOCK), noise(2, 2 * BLOCK)
    full = b"\xff" * 128
    base = image(MIB, [place(1), place(0)], [(full, theirs[BLOCK:]), (full, theirs[:BLOCK])])
    child = image(MIB, [place(0), form.UNUSED], [(b"\x7f\xff", ours)], has_parent=True)

    chain, _ = opened(base, child)

    assert whole(chain) == theirs[:512] + ours[512 : 16 * 512] + theirs[16 * 512 :]
    assert chain.paths == ("C:\\child.avhd", "C:\\base.vhd")
    assert list(chain.allocated(0, MIB)) == [ByteRange(0, MIB)]


def test_a_parents_block_behind_a_childs_zeros_is_not_shown_through_its_unused_one() -> None:
    base = image(MIB, [form.UNUSED, form.UNUSED], [])
    child = image(MIB, [form.UNUSED, place(0)], [(b"", noise(1, BLOCK))], has_parent=True)

    chain, _ = opened(base, child)

    assert whole(chain) == bytes(MIB)


def test_a_range_between_sectors_is_read_to_the_byte() -> None:
    body = noise(3, BLOCK)
    chain, _ = opened(image(MIB, [place(0), form.UNUSED], [(b"\x50", body)]))
    expected = bytearray(4 * 512)
    expected[512:1024] = body[512:1024]
    expected[3 * 512 :] = body[3 * 512 : 4 * 512]

    wanted = [ByteRange(500, 520), ByteRange(700, 1600), ByteRange(1023, 1025)]

    assert chain.read(wanted) == [bytes(expected[r.start : r.end]) for r in wanted]


def test_the_last_block_needs_to_be_in_the_file_only_as_far_as_the_disk_goes() -> None:
    size = BLOCK + 1024
    data = image(size, [form.UNUSED, place(0)], [(b"\xff", noise(4, 1024))])
    cut = data[: DATA + 512 + 1024] + data[-512:]

    chain, _ = opened(cut)

    assert whole(chain) == bytes(BLOCK) + noise(4, 1024)


@pytest.mark.parametrize(
    "entry", [0, 1, 3, place(1), form.UNUSED - 1, (DATA + 512) // 512, (1 << 31) - 1]
)
def test_an_entry_that_leads_out_of_the_file_or_onto_its_structures_is_refused(entry: int) -> None:
    chain, _ = opened(image(MIB, [entry, form.UNUSED], [(b"\xff", b"")]))

    with pytest.raises(DiskUnreadableError, match="BAT entry of block 0 leads to"):
        chain.read([ByteRange(0, 512)])
    assert chain.read([ByteRange(BLOCK, MIB)]) == [bytes(BLOCK)]


def test_whole_blocks_are_hashed_where_they_are_and_mixed_ones_are_read() -> None:
    body = noise(5, BLOCK)
    half = b"\xff" * 64
    data = image(
        2 * MIB,
        [place(0), place(1), form.UNUSED, form.UNUSED],
        [(b"\xff" * 128, body), (half, body)],
    )
    chain, files = opened(data)
    file = files.opened["C:\\base.vhd"]
    first, second = body, body[: BLOCK // 2].ljust(BLOCK, b"\0")

    found = chain.hashes_of([ByteRange(at, at + BLOCK) for at in range(0, 2 * MIB, BLOCK)])

    zeros = sha256(bytes(BLOCK)).digest()
    assert found == [sha256(first).digest(), sha256(second).digest(), zeros, zeros]
    assert [len(r) for kind, r in file.calls if kind == "hashes"] == [1]


def test_tables_are_read_once_however_often_the_disk_is() -> None:
    data = image(MIB, [place(0), place(1)], [(b"\xff" * 128, b"a"), (b"\xff" * 128, b"b")])
    chain, files = opened(data)
    whole(chain)
    before = len(files.opened["C:\\base.vhd"].calls)

    whole(chain)

    assert len(files.opened["C:\\base.vhd"].calls) == before + 1


def test_a_table_of_many_pages_is_read_where_it_is_asked(tmp_path: Path) -> None:
    """128 GiB in blocks of 512 KiB: a table of 1 MiB, of which one page is enough."""
    entries = 1 << 18
    footer = Footer(form.DYNAMIC, entries * BLOCK, BASE_ID, 512).packed()
    block = 100_000
    table_end = 1536 + entries * 4
    at = -(-table_end // 512)
    table = bytearray(b"\xff" * (entries * 4))
    table[block * 4 : block * 4 + 4] = at.to_bytes(4, "big")
    head = (footer + Header(1536, entries, BLOCK).packed() + bytes(table)).ljust(at * 512, b"\0")
    data = head + b"\xff" * 512 + noise(6, BLOCK) + footer
    chain, files = opened(data)

    assert chain.read([ByteRange(block * BLOCK, block * BLOCK + 4096)]) == [noise(6, BLOCK)[:4096]]
    assert list(chain.allocated(0, chain.virtual_bytes)) == [
        ByteRange(block * BLOCK, (block + 1) * BLOCK)
    ]
    assert len(files.opened["C:\\base.vhd"].calls) < 12


def test_locators_carry_utf_16_little_endian_while_all_else_is_big_endian() -> None:
    texts, body = form.placed_paths({form.RELATIVE_PATH: ".\\größe.vhd"}, 1536, 64)

    assert texts == [Locator(form.RELATIVE_PATH, len(".\\größe.vhd") * 2, 1536)]
    assert body.startswith(b".\0\\\0g\0")
    assert len(body) == 64
    with pytest.raises(ValueError, match="too long"):
        form.placed_paths({form.RELATIVE_PATH: "x" * 33}, 1536, 64)
