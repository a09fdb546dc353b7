"""Laws of the VHD reader: it shows what was written, and hostile images only make it refuse."""

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

from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_file import open_disk
from reconciler.blocks.vhd_format import Footer, Header, sealed
from reconciler.blocks.vhd_writer import VhdWriter
from reconciler.errors import DiskNotSupportedError, DiskUnreadableError
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange, merged

MIB = 1 << 20
SIZE = 5 * MIB - 512
DISK_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
NAMES = ("base.vhd", "one.avhd", "two.avhd")
LEAF = "C:\\VMs\\two.avhd"
REFUSALS = (DiskUnreadableError, DiskNotSupportedError)


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


def build(folder: Path, writes: Sequence[tuple[int, int, int]]) -> bytes:
    """A chain of three disks with these writes (level, sector, count); the bytes it shows."""
    content = bytearray(SIZE)
    paths = [folder / name for name in NAMES]
    geometry = DiskGeometry(SIZE, 512, 512, DiskFormat.VHD, MIB)
    LabDisk.create(paths[0], geometry, DISK_ID).close()
    for level in range(3):
        if level:
            parent = f"C:\\VMs\\{NAMES[level - 1]}"
            LabDisk.create_child(paths[level], paths[level - 1], parent, (MIB << 1) >> level)
        disk = LabDisk.open(paths[: level + 1])
        for index, (on, first, count) in enumerate(writes):
            if on == level:
                start, end = first * 512, min(SIZE, (first + count) * 512)
                content[start:end] = noise(index, end - start)
                disk.write(start, bytes(content[start:end]))
        disk.close()
    return bytes(content)


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in NAMES}


def assert_shows(chain: DiskChain, content: bytes, ranges: list[ByteRange]) -> None:
    assert chain.read(ranges) == [content[r.start : r.end] for r in ranges]
    assert chain.hashes_of(ranges) == [sha256(content[r.start : r.end]).digest() for r in ranges]
    held = list(chain.allocated(0, SIZE))
    assert all(left.end < right.start for left, right in pairwise(held))
    edges = [0, *(edge for r in held for edge in (r.start, r.end)), SIZE]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        assert content[start:end].count(0) == end - start


@settings(max_examples=20, deadline=None)
@given(WRITES, RANGES)
def test_a_chain_shows_the_last_write_to_each_sector(
    writes: list[tuple[int, int, int]], ranges: list[ByteRange]
) -> None:
    with TemporaryDirectory() as name:
        content = build(Path(name), writes)
        chain = open_disk(MemoryFiles(files_of(Path(name))), LEAF)

    assert_shows(chain, content, ranges)
    assert merged(e.range for e in chain.resolve(ranges)) == merged(ranges)


@settings(max_examples=20, deadline=None)
@given(WRITES, RANGES, st.sampled_from([0, 64 << 10, MIB, 2 * MIB]))
def test_what_the_writer_writes_the_reader_reads(
    writes: list[tuple[int, int, int]], ranges: list[ByteRange], block_bytes: int
) -> None:
    content = bytearray(SIZE)
    geometry = DiskGeometry(SIZE, 512, 512, DiskFormat.VHD, block_bytes)
    with TemporaryDirectory() as name:
        path = Path(name) / NAMES[0]
        with VhdWriter(path, geometry, DISK_ID) as writer:
            for index, (_, first, count) in enumerate(writes):
                start, end = first * 512, min(SIZE, (first + count) * 512)
                content[start:end] = noise(index, end - start)
                writer.write(start, content[start:end])
        chain = open_disk(MemoryFiles({NAMES[0]: path.read_bytes()}), f"C:\\{NAMES[0]}")

    assert_shows(chain, bytes(content), ranges)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("healthy")
    writes = [(0, 0, 300), (0, 5000, 64), (1, 16, 8), (1, 2048, 2048), (2, 24, 1), (2, 5000, 8)]
    build(folder, writes)
    return files_of(folder)


INTERESTING = st.one_of(
    st.integers(0, 84),
    st.integers(512, 512 + 64),
    st.integers(512 + 576, 512 + 768),
    st.integers(1536, 1536 + 80),
    st.integers(1536 + 2048, 1536 + 2048 + 80),
    st.integers(1536 + 4096, 1536 + 4096 + 40),
    st.integers(7000, 9000),
    st.integers(-512, -512 + 84),
)
VALUES = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.integers(0, (1 << 64) - 1).map(lambda n: n.to_bytes(8, "big")),
    st.integers(0, 63).map(lambda n: (1 << n).to_bytes(8, "big")),
    st.sampled_from([b"\xff" * 8, bytes(8), b"\xff\xff\xff\xff", b"\0\0\0\3", b"\0\0\0\2"]),
)
POKES = st.lists(st.tuples(st.sampled_from(NAMES), INTERESTING, VALUES), min_size=1, max_size=3)


def resealed(data: bytearray) -> None:
    """Right checksums, so that a damage is looked at and not only noticed."""
    data[:512] = sealed(bytes(data[:512]), 64)
    data[512:1536] = sealed(bytes(data[512:1536]), 36)
    data[-512:] = sealed(bytes(data[-512:]), 64)


def use(files: Mapping[str, bytes]) -> None:
    """All that a caller may do with a chain; what it says must fit together."""
    chain = open_disk(MemoryFiles(files), LEAF)
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
@settings(max_examples=100, deadline=5000)
@given(pokes=POKES)
def test_a_hostile_image_is_refused_or_read_and_nothing_else_happens(
    healthy: dict[str, bytes], *, is_sealed: bool, pokes: list[tuple[str, int, bytes]]
) -> None:
    files = {name: bytearray(healthy[name]) for name in {name for name, _, _ in pokes}}
    for name, place, new in pokes:
        at = place % len(files[name])
        files[name][at : at + len(new)] = new
    if is_sealed:
        for data in files.values():
            resealed(data)

    with suppress(*REFUSALS):
        use(healthy | {name: bytes(data) for name, data in files.items()})


@settings(max_examples=40, deadline=5000)
@given(st.sampled_from(NAMES), st.integers(0, 8 * MIB))
def test_a_file_cut_anywhere_is_refused_or_read_and_nothing_else_happens(
    healthy: dict[str, bytes], name: str, size: int
) -> None:
    with suppress(*REFUSALS):
        use(healthy | {name: healthy[name][:size]})


def test_the_healthy_chain_of_these_tests_is_healthy_and_lies_where_the_pokes_go(
    healthy: dict[str, bytes],
) -> None:
    chain = open_disk(MemoryFiles(healthy), LEAF)

    assert chain.paths[0] == LEAF
    assert chain.read([ByteRange(24 * 512, 25 * 512)]) == [noise(4, 512)]
    for data in healthy.values():
        assert Footer.unpacked(data[:512]) == Footer.unpacked(data[-512:]) is not None
        assert Header.unpacked(data[512:1536]) is not None
