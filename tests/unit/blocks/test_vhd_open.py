"""What is accepted as a VHD and as its parent, and how the rest is refused."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PureWindowsPath
from uuid import UUID, uuid4

import pytest

from reconciler.blocks import vhd_format as form
from reconciler.blocks.disk_parents import MAX_CHAIN_FILES
from reconciler.blocks.vhd import open_chain
from reconciler.blocks.vhd_format import Footer, Header, Locator
from reconciler.errors import DiskNotSupportedError, DiskUnreadableError
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange
from tests.disk_images import DISK_ID, MIB, MemoryFile, MemoryHost

BASE = "C:\\VMs\\fin\\base.vhd"
CHILD = "C:\\VMs\\fin\\child.avhd"
SIZE = 4 * MIB - 512
GEOMETRY = DiskGeometry(SIZE, 512, 512, DiskFormat.VHD, 2 * MIB)


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


def with_footers(data: bytes, change: Callable[[Footer], Footer]) -> bytes:
    footer = Footer.unpacked(data[-512:])
    assert footer
    changed = change(footer).packed()
    return changed + data[512:-512] + changed


def with_header(data: bytes, change: Callable[[Header], Header]) -> bytes:
    header = Header.unpacked(data[512:1536])
    assert header
    return data[:512] + change(header).packed() + data[1536:]


def fixed(content: bytes, size: int | None = None) -> bytes:
    unique_id = UUID(DISK_ID)
    return content + Footer(form.FIXED, len(content) if size is None else size, unique_id).packed()


def first_sector(files: dict[str, bytes], path: str) -> bytes:
    (data,) = open_chain(MemoryHost(files), path).read([ByteRange(0, 512)])
    return data


def test_a_dynamic_disk_tells_its_size_and_id_and_has_no_other_sectors_than_512(
    base: bytes,
) -> None:
    chain = open_chain(MemoryHost({BASE: base}), BASE)

    assert chain.geometry == GEOMETRY
    assert chain.virtual_disk_id == DISK_ID
    assert chain.paths == (BASE,)


def test_a_fixed_disk_is_its_bytes_with_a_footer() -> None:
    content = b"conectix" + bytes(range(256)) * 8
    data = content.ljust(8192, b"z")
    chain = open_chain(MemoryHost({BASE: fixed(data)}), BASE)

    assert chain.read([ByteRange(0, 8192)]) == [data]
    assert list(chain.allocated(0, 8192)) == [ByteRange(0, 8192)]
    assert chain.hashes_of([ByteRange(512, 4096)]) == [sha256(data[512:4096]).digest()]
    assert chain.geometry == DiskGeometry(8192, 512, 512, DiskFormat.VHD, 0)


def test_a_dynamic_disk_whose_end_was_lost_is_read_by_the_copy_of_its_footer(base: bytes) -> None:
    torn = base[:-512] + b"\xaa" * 512

    assert first_sector({BASE: torn}, BASE) == b"b" * 512


def test_of_a_fixed_disk_without_a_footer_nothing_is_believed_that_its_guest_wrote() -> None:
    guest = Footer(form.FIXED, 512, UUID(DISK_ID)).packed() + bytes(4096)

    with pytest.raises(DiskUnreadableError, match="footer is not valid"):
        open_chain(MemoryHost({BASE: guest}), BASE)


def test_a_footer_of_511_bytes_is_told_from_a_damaged_one() -> None:
    footer = Footer(form.FIXED, 4096, UUID(DISK_ID)).packed()[:511]

    with pytest.raises(DiskNotSupportedError, match="before Virtual PC 2004") as caught:
        open_chain(MemoryHost({BASE: bytes(4096) + footer}), BASE)

    assert "Convert-VHD" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: replace(f, version=0x0002_0000), "version is 0x20000"),
        (lambda f: replace(f, kind=5), "disk type is 5"),
        (lambda f: replace(f, kind=0), "disk type is 0"),
        (lambda f: replace(f, virtual_bytes=0), "current size is 0"),
        (lambda f: replace(f, virtual_bytes=1000), "current size is 1000"),
        (lambda f: replace(f, virtual_bytes=(2 << 40) + 512), "current size is"),
        (lambda f: replace(f, virtual_bytes=2 << 40), "block table of 2 entries is too short"),
        (lambda f: replace(f, header_offset=form.NO_OFFSET), "does not lie in the file"),
        (lambda f: replace(f, header_offset=1024), "header at 1024 is not valid"),
        (lambda f: replace(f, kind=form.FIXED, virtual_bytes=1 << 30), "too short for its disk"),
        (lambda f: replace(f, kind=form.DIFFERENCING), "parent unique id is missing"),
    ],
)
def test_a_footer_that_breaks_the_format_is_refused_by_its_field(
    base: bytes, change: Callable[[Footer], Footer], reason: str
) -> None:
    with pytest.raises(DiskUnreadableError, match=reason) as caught:
        open_chain(MemoryHost({BASE: with_footers(base, change)}), BASE)

    assert BASE in caught.value.message
    assert "Test-VHD" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda h: replace(h, version=0), "header version is 0x0"),
        (lambda h: replace(h, block_bytes=0), "block size is 0"),
        (lambda h: replace(h, block_bytes=3 * MIB), "block size is 3145728"),
        (lambda h: replace(h, block_bytes=32 << 10), "block size is 32768"),
        (lambda h: replace(h, block_bytes=512 * MIB), "block size is 536870912"),
        (lambda h: replace(h, table_entries=1), "block table of 1 entries is too short"),
        (lambda h: replace(h, table_offset=1 << 60), "does not lie in the file"),
        (lambda h: replace(h, table_offset=512), "overlaps"),
        (lambda h: replace(h, table_offset=0), "overlaps"),
        (lambda h: replace(h, table_offset=1532), "overlaps"),
    ],
)
def test_a_header_that_breaks_the_format_is_refused_by_its_field(
    base: bytes, change: Callable[[Header], Header], reason: str
) -> None:
    with pytest.raises(DiskUnreadableError, match=reason):
        open_chain(MemoryHost({BASE: with_header(base, change)}), BASE)


@pytest.mark.parametrize("place", [0, 300, 511])
def test_a_flipped_bit_of_both_footers_is_noticed(base: bytes, place: int) -> None:
    data = bytearray(base)
    data[place] ^= 1
    data[len(data) - 512 + place] ^= 1

    with pytest.raises(DiskUnreadableError):
        open_chain(MemoryHost({BASE: bytes(data)}), BASE)


def test_a_flipped_bit_of_the_header_is_noticed(base: bytes) -> None:
    data = bytearray(base)
    data[512 + 900] ^= 1

    with pytest.raises(DiskUnreadableError, match="header at 512 is not valid"):
        open_chain(MemoryHost({BASE: bytes(data)}), BASE)


def test_a_file_too_small_or_too_large_for_any_vhd_is_refused_unread() -> None:
    class Huge(MemoryFile):
        @property
        def size(self) -> int:
            return 1 << 60

    class Host:
        def open(self, _path: str) -> MemoryFile:
            return Huge(b"")

    with pytest.raises(DiskUnreadableError, match="which no VHD has"):
        open_chain(Host(), BASE)
    with pytest.raises(DiskUnreadableError, match="which no VHD has"):
        open_chain(MemoryHost({BASE: bytes(512)}), BASE)


def test_the_parent_is_found_by_the_relative_path_first(base: bytes, child: bytes) -> None:
    moved = {"E:\\elsewhere\\child.avhd": child, "E:\\elsewhere\\base.vhd": base}

    chain = open_chain(MemoryHost(moved), "E:\\elsewhere\\child.avhd")

    assert chain.paths == ("E:\\elsewhere\\child.avhd", "E:\\elsewhere\\base.vhd")
    assert chain.read([ByteRange(0, 512)]) == [b"b" * 512]
    assert chain.virtual_disk_id == DISK_ID


def test_the_parent_is_found_by_the_absolute_path_too(base: bytes, child: bytes) -> None:
    files = {"E:\\elsewhere\\child.avhd": child, BASE: base}

    assert first_sector(files, "E:\\elsewhere\\child.avhd") == b"b" * 512


def test_without_locators_the_parent_is_found_by_its_name(base: bytes, child: bytes) -> None:
    bare = with_header(child, lambda h: replace(h, locators=()))

    assert first_sector({CHILD: bare, BASE: base}, CHILD) == b"b" * 512


def test_locators_of_other_systems_are_passed_over(base: bytes, child: bytes) -> None:
    mac = Locator(b"MacX", 1 << 31, 1 << 60)
    both = with_header(child, lambda h: replace(h, locators=(mac, *h.locators)))

    assert first_sector({CHILD: both, BASE: base}, CHILD) == b"b" * 512


def test_a_parent_in_a_wrong_place_is_passed_over_for_the_right_one(
    base: bytes, child: bytes
) -> None:
    other = with_footers(base, lambda f: replace(f, unique_id=uuid4()))
    files = {"E:\\x\\child.avhd": child, "E:\\x\\base.vhd": other, BASE: base}

    assert open_chain(MemoryHost(files), "E:\\x\\child.avhd").paths[1] == BASE


def test_another_disk_at_the_parents_path_is_refused(base: bytes, child: bytes) -> None:
    other = with_footers(base, lambda f: replace(f, unique_id=uuid4()))

    with pytest.raises(DiskUnreadableError, match="is another disk") as caught:
        open_chain(MemoryHost({CHILD: child, BASE: other}), CHILD)

    assert "ParentPath" in caught.value.hint


def test_a_parent_that_was_resized_is_refused(base: bytes, child: bytes) -> None:
    grown = with_footers(base, lambda f: replace(f, virtual_bytes=4 * MIB))

    with pytest.raises(DiskUnreadableError, match="was resized"):
        open_chain(MemoryHost({CHILD: child, BASE: grown}), CHILD)


def test_a_missing_parent_is_told_with_every_path_that_was_tried(child: bytes) -> None:
    with pytest.raises(DiskUnreadableError, match=r"no parent of .* can be used") as it:
        open_chain(MemoryHost({CHILD: child}), CHILD)

    assert f"{BASE} is not there" in it.value.message


@pytest.mark.parametrize(
    ("locator", "reason"),
    [
        (Locator(form.RELATIVE_PATH, 64, 1 << 62), "wrong place or length"),
        (Locator(form.ABSOLUTE_PATH, (64 << 10) + 2, 1536), "wrong place or length"),
        (Locator(form.RELATIVE_PATH, 7, 1536), "is not UTF-16"),
    ],
)
def test_a_locator_that_breaks_the_format_is_refused(
    base: bytes, child: bytes, locator: Locator, reason: str
) -> None:
    wrong = with_header(child, lambda h: replace(h, locators=(locator,)))

    with pytest.raises(DiskUnreadableError, match=reason):
        open_chain(MemoryHost({CHILD: wrong, BASE: base}), CHILD)


def test_a_chain_that_leads_back_is_refused(child: bytes) -> None:
    own_id = child[68:84]
    loop = with_header(child, lambda h: replace(h, parent_id=UUID(bytes=own_id), locators=()))
    loop = with_header(loop, lambda h: replace(h, parent_name="child.avhd".encode("utf-16-be")))

    with pytest.raises(DiskUnreadableError, match="leads back"):
        open_chain(MemoryHost({CHILD: loop}), CHILD)


def test_a_chain_without_end_is_refused(child: bytes) -> None:
    class Endless(MemoryHost):
        """Every file is a child of one with the next number."""

        def open(self, path: str) -> MemoryFile:
            number = int(PureWindowsPath(path).stem)
            return MemoryFile(
                with_header(
                    with_footers(child, lambda f: replace(f, unique_id=UUID(int=number + 1))),
                    lambda h: replace(
                        h,
                        parent_id=UUID(int=number + 2),
                        locators=(),
                        parent_name=f"{number + 1}.avhd".encode("utf-16-be"),
                    ),
                )
            )

    with pytest.raises(DiskUnreadableError, match=f"more than {MAX_CHAIN_FILES} files"):
        open_chain(Endless({}), "C:\\0.avhd")


def test_a_vhdx_as_parent_is_refused_as_a_mixed_chain(child: bytes) -> None:
    vhdx = b"vhdxfile" + bytes(4 * MIB)

    with pytest.raises(DiskNotSupportedError, match="formats do not mix"):
        open_chain(MemoryHost({CHILD: child, BASE: vhdx}), CHILD)
