"""Laws of the VHDX reader: it shows what was written, and hostile images only make it refuse."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256, shake_128
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.blocks import vhdx_format as form
from reconciler.blocks.vhdx import DiskChain, open_chain
from reconciler.errors import DiskUnreadableError
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange, merged

MIB = 1 << 20
SIZE = 5 * MIB - 512
DISK_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
NAMES = ("base.vhdx", "one.avhdx", "two.avhdx")
LEAF = "C:\\VMs\\two.avhdx"


class PatchedFile:
    """Bytes in memory; too many or too large reads are a failure, not a wait."""

    def __init__(self, data: bytes, calls: list[int]) -> None:
        self.data = data
        self.calls = calls

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        self.calls.append(sum(r.length for r in ranges))
        assert len(self.calls) < 200, "endless"
        assert self.calls[-1] <= 8 * MIB, "unbounded"
        assert all(r.end <= len(self.data) for r in ranges), "read behind the end"
        return [self.data[r.start : r.end] for r in ranges]

    def hashes(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        return [sha256(data).digest() for data in self.read(ranges)]


@dataclass
class MemoryFiles:
    files: Mapping[str, bytes]
    calls: list[int] = field(default_factory=list)

    def open(self, path: str) -> PatchedFile:
        name = PureWindowsPath(path).name
        if name not in self.files:
            raise DiskUnreadableError(f"{path} is not there", hint="look")
        return PatchedFile(self.files[name], self.calls)


def noise(seed: int, length: int) -> bytes:
    return shake_128(seed.to_bytes(8, "little")).digest(length)


WRITES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, SIZE // 512 - 1),
        st.sampled_from([1, 2, 7, 8, 64, 1000, 2048, 5000]),
    ),
    max_size=8,
)
RANGES = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.integers(1, 2 * MIB)).map(
        lambda pair: ByteRange(pair[0], min(SIZE, pair[0] + pair[1]))
    ),
    min_size=1,
    max_size=6,
)


def build(folder: Path, writes: Sequence[tuple[int, int, int]], sector: int = 512) -> bytes:
    """A chain of three disks with these writes (level, sector, count); the bytes it shows."""
    size = SIZE // sector * sector
    content = bytearray(size)
    paths = [folder / name for name in NAMES]
    geometry = DiskGeometry(size, sector, 4096, DiskFormat.VHDX, MIB)
    LabDisk.create(paths[0], geometry, DISK_ID).close()
    for level in range(3):
        if level:
            parent = f"C:\\VMs\\{NAMES[level - 1]}"
            LabDisk.create_child(paths[level], paths[level - 1], parent, MIB * (3 - level))
        disk = LabDisk.open(paths[: level + 1])
        for index, (on, first, count) in enumerate(writes):
            if on == level:
                start = first * 512 // sector * sector
                end = min(size, start + count * sector)
                content[start:end] = noise(index, end - start)
                disk.write(start, bytes(content[start:end]))
        disk.close()
    return bytes(content)


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in NAMES}


@settings(max_examples=15, deadline=None)
@given(WRITES, RANGES)
def test_a_chain_shows_the_last_write_to_each_sector(
    writes: list[tuple[int, int, int]], ranges: list[ByteRange]
) -> None:
    with TemporaryDirectory() as name:
        content = build(Path(name), writes)
        chain = open_chain(MemoryFiles(files_of(Path(name))), LEAF)

    assert chain.read(ranges) == [content[r.start : r.end] for r in ranges]
    assert chain.hashes_of(ranges) == [sha256(content[r.start : r.end]).digest() for r in ranges]
    assert_extents_are_in_order(chain, ranges)
    held = list(chain.allocated(0, SIZE))
    assert all(left.end < right.start for left, right in pairwise(held))
    edges = [0, *(edge for r in held for edge in (r.start, r.end)), SIZE]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        assert content[start:end].count(0) == end - start


def assert_extents_are_in_order(chain: DiskChain, ranges: list[ByteRange]) -> None:
    extents = chain.resolve(ranges)
    assert all(left.range.end <= right.range.start for left, right in pairwise(extents))
    assert merged(e.range for e in extents) == merged(ranges)
    for left, right in pairwise(extents):
        touches = left.range.end == right.range.start and left.file == right.file
        is_one = left.file is None or left.file_offset + left.range.length == right.file_offset
        assert not (touches and is_one), "neighbours that belong together"


@pytest.fixture(scope="module", params=[512, 4096])
def healthy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("healthy")
    writes = [(0, 0, 300), (0, 5000, 64), (1, 16, 8), (1, 2048, 2048), (2, 24, 1), (2, 5000, 8)]
    build(folder, writes, request.param)
    disk = LabDisk.open([folder / name for name in NAMES])
    disk.leave_pending_log(7 * 4096, b"pending!" * 512)
    return files_of(folder)


LAST_TABLE_BYTE = 3 * MIB + 512
INTERESTING = st.one_of(
    st.integers(0, 16),
    st.integers(64 << 10, (64 << 10) + 96),
    st.integers(128 << 10, (128 << 10) + 96),
    st.integers(192 << 10, (192 << 10) + 96),
    st.integers(256 << 10, (256 << 10) + 96),
    st.integers(MIB, 2 * MIB - 1),
    st.integers(2 * MIB - 8192, 2 * MIB - 1),
    st.integers(2 * MIB, 2 * MIB + 32 * 8),
    st.integers(2 * MIB + (64 << 10), 2 * MIB + (64 << 10) + 6 * 4096),
    st.integers(3 * MIB, LAST_TABLE_BYTE),
)
VALUES = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.integers(0, (1 << 64) - 1).map(lambda n: n.to_bytes(8, "little")),
    st.integers(0, 63).map(lambda n: (1 << n).to_bytes(8, "little")),
    st.sampled_from([b"\xff" * 8, bytes(8), b"\xff\xff\xff\xff", b"\x07", b"\x06", b"\x05"]),
)
POKES = st.lists(st.tuples(st.sampled_from(NAMES), INTERESTING, VALUES), min_size=1, max_size=3)


def resealed(data: bytearray) -> None:
    """Right checksums, so that a damage is looked at and not only noticed."""
    for offset in form.HEADER_OFFSETS:
        data[offset : offset + 4096] = form.sealed(data[offset : offset + 4096])
    for offset in form.REGION_TABLE_OFFSETS:
        data[offset : offset + 65_536] = form.sealed(data[offset : offset + 65_536])
    for offset in range(MIB, 2 * MIB, 4096):
        length = int.from_bytes(data[offset + 8 : offset + 12], "little")
        is_entry = data[offset : offset + 4] == b"loge" and length % 4096 == 0
        if is_entry and 0 < length <= 2 * MIB - offset:
            data[offset : offset + length] = form.sealed(data[offset : offset + length])


def use(files: Mapping[str, bytes]) -> None:
    """All that a caller may do with a chain; what it says must fit together."""
    chain = open_chain(MemoryFiles(files), LEAF)
    end = min(chain.virtual_bytes, 64 << 30)
    with suppress(DiskUnreadableError):
        list(chain.allocated(0, end))
    for start in range(0, min(end, SIZE), MIB):
        place = ByteRange(start, min(start + MIB, end))
        try:
            extents = chain.resolve([place])
            (data,) = chain.read([place])
        except DiskUnreadableError as error:
            assert error.hint  # noqa: PT017 (refusals are allowed here, not demanded)
            continue
        assert len(data) == place.length
        assert merged(e.range for e in extents) == (place,)


@pytest.mark.parametrize("is_sealed", [True, False])
@settings(max_examples=40, deadline=5000)
@given(pokes=POKES)
def test_a_hostile_image_is_refused_or_read_and_nothing_else_happens(
    healthy: dict[str, bytes], *, is_sealed: bool, pokes: list[tuple[str, int, bytes]]
) -> None:
    files = {name: bytearray(healthy[name]) for name in {name for name, _, _ in pokes}}
    for name, offset, new in pokes:
        files[name][offset : offset + len(new)] = new
    if is_sealed:
        for data in files.values():
            resealed(data)

    with suppress(DiskUnreadableError):
        use(healthy | {name: bytes(data) for name, data in files.items()})


@settings(max_examples=20, deadline=5000)
@given(st.sampled_from(NAMES), st.integers(0, 12 * MIB))
def test_a_file_cut_anywhere_is_refused_or_read_and_nothing_else_happens(
    healthy: dict[str, bytes], name: str, size: int
) -> None:
    with suppress(DiskUnreadableError):
        use(healthy | {name: healthy[name][:size]})


def test_the_healthy_chain_of_these_tests_is_healthy(healthy: dict[str, bytes]) -> None:
    chain = open_chain(MemoryFiles(healthy), LEAF)

    assert chain.paths[0] == LEAF
    assert chain.read([ByteRange(7 * 4096, 8 * 4096)]) == [b"pending!" * 512]
