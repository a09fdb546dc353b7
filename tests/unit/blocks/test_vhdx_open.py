"""What is accepted as a VHDX and as its parent, and how the rest is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from uuid import UUID, uuid4

import pytest

from reconciler.blocks import vhdx_format as form
from reconciler.blocks.vhdx import open_chain
from reconciler.blocks.vhdx_format import MIB, Header, Region
from reconciler.errors import DiskNotSupportedError, DiskUnreadableError
from reconciler.lab.disk_tables import DiskTables
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange
from tests.disk_images import DISK_ID, MemoryFile, MemoryHost

BASE = "C:\\VMs\\fin\\base.vhdx"
CHILD = "C:\\VMs\\fin\\child.avhdx"
GEOMETRY = DiskGeometry(4 * MIB, 512, 4096, DiskFormat.VHDX, MIB)
METADATA = 2 * MIB
ITEMS = METADATA + form.METADATA_TABLE_BYTES


def local(folder: Path, path: str) -> Path:
    return folder / PureWindowsPath(path).name


@pytest.fixture
def base(tmp_path: Path) -> bytes:
    disk = LabDisk.create(local(tmp_path, BASE), GEOMETRY, DISK_ID)
    disk.write(0, b"b" * 512)
    disk.close()
    return local(tmp_path, BASE).read_bytes()


@pytest.fixture
def child(tmp_path: Path, base: bytes) -> bytes:
    assert base
    LabDisk.create_child(local(tmp_path, CHILD), local(tmp_path, BASE), BASE)
    return local(tmp_path, CHILD).read_bytes()


def poked(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def with_headers(data: bytes, change: Callable[[Header], Header]) -> bytes:
    for offset in form.HEADER_OFFSETS:
        header = Header.unpacked(data[offset : offset + form.HEADER_BYTES])
        assert header
        data = poked(data, offset, change(header).packed())
    return data


def with_regions(data: bytes, change: Callable[[list[Region]], list[Region]]) -> bytes:
    for offset in form.REGION_TABLE_OFFSETS:
        regions = form.unpacked_regions(data[offset : offset + form.REGION_TABLE_BYTES])
        assert regions
        data = poked(data, offset, form.packed_regions(change(regions)))
    return data


def with_locator(tmp_path: Path, texts: dict[str, str]) -> bytes:
    """The child with some texts of its locator changed; empty ones are left out."""
    tables = DiskTables(local(tmp_path, CHILD))
    tables.set_locator({k: v for k, v in (tables.locator | texts).items() if v})
    tables.close()
    return local(tmp_path, CHILD).read_bytes()


def header_at(data: bytes, copy: int) -> Header:
    start = form.HEADER_OFFSETS[copy]
    header = Header.unpacked(data[start : start + form.HEADER_BYTES])
    assert header
    return header


def opens(data: bytes) -> bool:
    return open_chain(MemoryHost({BASE: data}), BASE).virtual_bytes == 4 * MIB


@pytest.mark.parametrize("copy", [0, 1])
def test_one_good_header_and_one_good_region_table_are_enough(base: bytes, copy: int) -> None:
    torn = poked(base, form.HEADER_OFFSETS[copy] + 8, b"\xff")
    torn = poked(torn, form.REGION_TABLE_OFFSETS[copy] + 20, b"\xff")

    assert opens(torn)


def test_the_header_with_the_greater_sequence_number_counts(base: bytes, child: bytes) -> None:
    newest = max(header_at(base, 0), header_at(base, 1), key=lambda h: h.sequence_number)
    older = replace(newest, sequence_number=newest.sequence_number - 1, data_write_guid=uuid4())
    for first, second in ((newest, older), (older, newest)):
        data = poked(base, form.HEADER_OFFSETS[0], first.packed())
        data = poked(data, form.HEADER_OFFSETS[1], second.packed())

        assert open_chain(MemoryHost({BASE: data, CHILD: child}), CHILD).paths == (CHILD, BASE)


def test_two_headers_alike_are_accepted_as_disk2vhd_writes_them(base: bytes) -> None:
    same = header_at(base, 0).packed()

    assert opens(poked(base, form.HEADER_OFFSETS[1], same))


def test_two_headers_that_differ_with_one_sequence_number_are_refused(base: bytes) -> None:
    other = replace(header_at(base, 0), data_write_guid=uuid4()).packed()

    with pytest.raises(DiskUnreadableError, match="two copies that differ"):
        opens(poked(base, form.HEADER_OFFSETS[1], other))


def test_an_unknown_region_or_item_that_is_not_required_is_ignored(base: bytes) -> None:
    other = Region(uuid4(), MIB, 0, is_required=False)
    data = with_regions(base, lambda regions: [*regions, other])
    entry = uuid4().bytes_le + (65_536).to_bytes(4, "little") + bytes(12)
    data = poked(data, METADATA + 32 + 5 * 32, entry)
    data = poked(data, METADATA + 10, (6).to_bytes(2, "little"))

    assert opens(data)


def moved(regions: list[Region], guid: UUID, offset: int) -> list[Region]:
    return [replace(r, offset=offset) if r.guid == guid else r for r in regions]


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "signature": (lambda d: poked(d, 0, b"x"), "file type identifier"),
    "short": (lambda d: d[:MIB], "has 1048576 bytes"),
    "headers": (
        lambda d: poked(poked(d, form.HEADER_OFFSETS[0], b"x"), form.HEADER_OFFSETS[1], b"x"),
        "header is not valid",
    ),
    "version": (lambda d: with_headers(d, lambda h: replace(h, version=2)), "header version"),
    "log version": (
        lambda d: with_headers(d, lambda h: replace(h, log_guid=uuid4(), log_version=1)),
        "log version",
    ),
    "log alignment": (
        lambda d: with_headers(d, lambda h: replace(h, log_offset=MIB + 4096)),
        "log place",
    ),
    "log outside": (
        lambda d: with_headers(d, lambda h: replace(h, log_guid=uuid4(), log_offset=1 << 40)),
        "log place",
    ),
    "log huge": (
        lambda d: (
            with_headers(d, lambda h: replace(h, log_guid=uuid4(), log_length=17 * MIB))
            + bytes(17 * MIB)
        ),
        "log length",
    ),
    "log empty": (
        lambda d: with_headers(d, lambda h: replace(h, log_guid=uuid4())),
        "no complete sequence",
    ),
    "log over metadata": (
        lambda d: with_headers(d, lambda h: replace(h, log_offset=METADATA)),
        "overlaps",
    ),
    "regions": (
        lambda d: poked(
            poked(d, form.REGION_TABLE_OFFSETS[0], b"x"), form.REGION_TABLE_OFFSETS[1], b"x"
        ),
        "region table is not valid",
    ),
    "region twice": (lambda d: with_regions(d, lambda r: [*r, r[0]]), "a region twice"),
    "region missing": (lambda d: with_regions(d, lambda r: r[:1]), "lacks the BAT"),
    "region unknown": (
        lambda d: with_regions(d, lambda r: [*r, Region(uuid4(), 8 * MIB, MIB)]),
        "requires the unknown region",
    ),
    "region alignment": (
        lambda d: with_regions(d, lambda r: moved(r, form.BAT_REGION, 3 * MIB + 512)),
        "not aligned",
    ),
    "region over header": (
        lambda d: with_regions(d, lambda r: moved(r, form.BAT_REGION, 0)),
        "overlaps",
    ),
    "region outside": (
        lambda d: with_regions(d, lambda r: moved(r, form.BAT_REGION, 1 << 50)),
        "behind the file's end",
    ),
    "metadata signature": (lambda d: poked(d, METADATA, b"x"), "metadata table"),
    "metadata count": (lambda d: poked(d, METADATA + 10, b"\xff\xff"), "metadata table"),
    "item unknown": (lambda d: poked(d, METADATA + 32, b"\xff"), "requires the unknown item"),
    "item place": (lambda d: poked(d, METADATA + 48, b"\x01\0\0\0"), "wrong place or length"),
    "item outside": (lambda d: poked(d, METADATA + 48, b"\xff\xff\x0f\0"), "wrong place"),
    "item length": (lambda d: poked(d, METADATA + 52, b"\x07\0\0\0"), "has 7 bytes"),
    "items overlap": (
        lambda d: poked(d, METADATA + 80, (65_536 + 4).to_bytes(4, "little")),
        "overlap",
    ),
    "block size": (lambda d: poked(d, ITEMS, (3 * MIB).to_bytes(4, "little")), "block size"),
    "block size huge": (lambda d: poked(d, ITEMS, (1 << 29).to_bytes(4, "little")), "block size"),
    "block size zero": (lambda d: poked(d, ITEMS, bytes(4)), "block size"),
    "virtual size odd": (lambda d: poked(d, ITEMS + 4096, b"\x01"), "virtual disk size"),
    "virtual size zero": (lambda d: poked(d, ITEMS + 4096, bytes(8)), "virtual disk size"),
    "virtual size huge": (
        lambda d: poked(d, ITEMS + 4096, (1 << 60).to_bytes(8, "little")),
        "virtual disk size",
    ),
    "virtual size over BAT": (
        lambda d: poked(d, ITEMS + 4096, (1 << 38).to_bytes(8, "little")),
        "too short for its disk",
    ),
    "logical sector": (lambda d: poked(d, ITEMS + 3 * 4096, b"\x00\x04"), "logical sector"),
    "physical sector": (lambda d: poked(d, ITEMS + 4 * 4096, b"\x00\x04"), "physical sector"),
    "locator missing": (lambda d: poked(d, ITEMS + 4, b"\x02"), "parent locator is missing"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_field_that_breaks_the_format_is_named_with_its_file(base: bytes, name: str) -> None:
    damage, reason = DAMAGES[name]

    with pytest.raises(DiskUnreadableError, match=reason) as caught:
        opens(damage(base))

    assert BASE in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("place", [0, -512])
def test_a_vhd_is_not_supported_and_the_hint_says_what_to_do(base: bytes, place: int) -> None:
    old = poked(bytes(len(base)), place % len(base), form.VHD_COOKIE)

    with pytest.raises(DiskNotSupportedError, match="is a VHD") as caught:
        opens(old)

    assert "Convert-VHD" in caught.value.hint


def test_a_parent_is_found_beside_its_child_when_both_were_moved(base: bytes, child: bytes) -> None:
    host = MemoryHost({"\\\\srv\\new\\base.vhdx": base, "\\\\srv\\new\\child.avhdx": child})

    chain = open_chain(host, "\\\\srv\\new\\child.avhdx")

    assert chain.paths == ("\\\\srv\\new\\child.avhdx", "\\\\srv\\new\\base.vhdx")
    assert chain.read([ByteRange(0, 4)]) == [b"bbbb"]


@pytest.mark.parametrize(
    ("texts", "path"),
    [
        ({"relative_path": "..\\pool\\base.vhdx"}, "C:\\VMs\\pool\\base.vhdx"),
        ({"relative_path": ""}, BASE),
        ({"relative_path": "gone.vhdx"}, BASE),
        ({"relative_path": "", "absolute_win32_path": "\\\\?\\D:\\a.vhdx"}, "D:\\a.vhdx"),
        (
            {"relative_path": "", "absolute_win32_path": "\\\\?\\UNC\\srv\\pool\\a.vhdx"},
            "\\\\srv\\pool\\a.vhdx",
        ),
    ],
)
def test_a_parent_is_looked_for_by_relative_then_absolute_path(
    tmp_path: Path, base: bytes, child: bytes, texts: dict[str, str], path: str
) -> None:
    assert child
    host = MemoryHost({path: base, CHILD: with_locator(tmp_path, texts)})

    assert open_chain(host, CHILD).paths == (CHILD, path)


def test_a_wrong_disk_at_the_relative_path_does_not_hide_the_parent(
    tmp_path: Path, base: bytes, child: bytes
) -> None:
    assert child
    LabDisk.create(tmp_path / "other.vhdx", GEOMETRY, DISK_ID).close()
    texts = {"relative_path": ".\\other.vhdx"}
    other = (tmp_path / "other.vhdx").read_bytes()
    host = MemoryHost(
        {BASE: base, "C:\\VMs\\fin\\other.vhdx": other, CHILD: with_locator(tmp_path, texts)}
    )

    assert open_chain(host, CHILD).paths == (CHILD, BASE)


def test_a_parent_that_was_written_to_is_refused(base: bytes, child: bytes) -> None:
    changed = with_headers(base, lambda h: replace(h, data_write_guid=uuid4()))

    with pytest.raises(DiskUnreadableError, match="was written to") as caught:
        open_chain(MemoryHost({BASE: changed, CHILD: child}), CHILD)

    assert CHILD in caught.value.message
    assert BASE in caught.value.message


def test_a_second_linkage_is_accepted_as_during_a_merge(
    tmp_path: Path, base: bytes, child: bytes
) -> None:
    assert child
    guid = uuid4()
    changed = with_headers(base, lambda h: replace(h, data_write_guid=guid))
    merging = with_locator(tmp_path, {"parent_linkage2": f"{{{guid}}}"})

    assert open_chain(MemoryHost({BASE: changed, CHILD: merging}), CHILD).paths == (CHILD, BASE)


def test_a_linkage_of_zeros_proves_nothing(base: bytes, child: bytes) -> None:
    changed = with_headers(base, lambda h: replace(h, data_write_guid=form.NO_GUID))

    with pytest.raises(DiskUnreadableError, match="was written to"):
        open_chain(MemoryHost({BASE: changed, CHILD: child}), CHILD)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"parent_linkage": ""}, "lacks parent_linkage"),
        ({"parent_linkage": "{no guid}"}, "is no GUID"),
        ({"relative_path": "", "absolute_win32_path": ""}, "names no path"),
    ],
)
def test_a_locator_that_cannot_lead_to_a_parent_is_refused(
    tmp_path: Path, base: bytes, child: bytes, texts: dict[str, str], reason: str
) -> None:
    assert child
    host = MemoryHost({BASE: base, CHILD: with_locator(tmp_path, texts)})

    with pytest.raises(DiskUnreadableError, match=reason):
        open_chain(host, CHILD)


def test_a_missing_parent_is_named(child: bytes) -> None:
    with pytest.raises(DiskUnreadableError, match="no parent of") as caught:
        open_chain(MemoryHost({CHILD: child}), CHILD)

    assert BASE in caught.value.message


def test_a_disk_that_is_its_own_parent_is_refused(tmp_path: Path, child: bytes) -> None:
    own = header_at(child, 0).data_write_guid
    texts = {"parent_linkage": f"{{{own}}}", "relative_path": ".\\CHILD.avhdx"}
    looped = with_locator(tmp_path, texts)
    host = MemoryHost({CHILD: looped, "C:\\VMs\\fin\\CHILD.avhdx": looped})

    with pytest.raises(DiskUnreadableError, match="leads back"):
        open_chain(host, CHILD)


def test_an_endless_chain_is_refused(tmp_path: Path, child: bytes) -> None:
    own = header_at(child, 0).data_write_guid
    texts = {"parent_linkage": f"{{{own}}}", "relative_path": "deeper\\child.avhdx"}

    class Endless(MemoryHost):
        def open(self, path: str) -> MemoryFile:
            return MemoryFile(self.files[CHILD])

    with pytest.raises(DiskUnreadableError, match="more than 64 files"):
        open_chain(Endless({CHILD: with_locator(tmp_path, texts)}), CHILD)


def test_a_parent_with_other_sectors_is_refused(base: bytes, child: bytes) -> None:
    other = poked(base, ITEMS + 3 * 4096, b"\x00\x10")

    with pytest.raises(DiskUnreadableError, match="logical sector size is not that of"):
        open_chain(MemoryHost({BASE: other, CHILD: child}), CHILD)
