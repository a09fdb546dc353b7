"""Laws of the disk readers: they show what was written, and hostile images make them refuse."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.blocks.disk_chain import DiskChain
from reconciler.blocks.disk_file import create_disk, open_disk
from reconciler.blocks.disk_inspect import inspect_chain
from reconciler.blocks.disk_source import FileFormat
from reconciler.errors import DiskNotSupportedError, DiskUnreadableError
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange, merged
from tests.disk_images import (
    DISK_ID,
    FOLDER,
    MIB,
    NAMES,
    Budget,
    MemoryHost,
    Mutant,
    MutantFiles,
    build_chain,
    mutants_of,
    noise,
    read_folder,
    resealed,
)

SIZE = 5 * MIB - 512
REFUSALS = (DiskUnreadableError, DiskNotSupportedError)
Writes = list[tuple[int, int, int]]
Pokes = list[tuple[int, int, bytes]]

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


def geometry(kind: DiskFormat, sector: int = 512, block_bytes: int = MIB) -> DiskGeometry:
    physical = 512 if kind is DiskFormat.VHD else 4096
    return DiskGeometry(SIZE // sector * sector, sector, physical, kind, block_bytes)


def assert_shows(chain: DiskChain, content: bytes, ranges: list[ByteRange]) -> None:
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


@pytest.mark.parametrize("kind", list(DiskFormat))
@settings(max_examples=15, deadline=None)
@given(writes=WRITES, ranges=RANGES)
def test_a_chain_shows_the_last_write_to_each_sector(
    kind: DiskFormat, writes: Writes, ranges: list[ByteRange]
) -> None:
    with TemporaryDirectory() as name:
        content = build_chain(Path(name), geometry(kind), writes)
        files = MemoryHost(read_folder(Path(name)))

    assert_shows(open_disk(files, FOLDER + NAMES[kind][-1]), content, ranges)


@pytest.mark.parametrize(
    ("kind", "block_bytes"),
    [(DiskFormat.VHD, size) for size in (0, 64 << 10, MIB, 2 * MIB)]
    + [(DiskFormat.VHDX, size) for size in (0, MIB, 32 * MIB)],
)
@settings(max_examples=8, deadline=None)
@given(writes=WRITES, ranges=RANGES)
def test_what_a_writer_writes_the_reader_reads(
    kind: DiskFormat, block_bytes: int, writes: Writes, ranges: list[ByteRange]
) -> None:
    content = bytearray(SIZE)
    with TemporaryDirectory() as folder:
        path = Path(folder) / NAMES[kind][0]
        with create_disk(path, geometry(kind, 512, block_bytes), DISK_ID) as writer:
            for index, (_, first, count) in enumerate(writes):
                start, end = first * 512, min(SIZE, (first + count) * 512)
                content[start:end] = noise(index, end - start)
                writer.write(start, content[start:end])
        chain = open_disk(MemoryHost(read_folder(Path(folder))), FOLDER + path.name)

    assert_shows(chain, bytes(content), ranges)


@dataclass(frozen=True)
class Healthy:
    kind: DiskFormat
    files: Mapping[str, bytes]

    @property
    def leaf(self) -> str:
        return FOLDER + NAMES[self.kind][-1]

    def mutants(self) -> dict[str, Mutant]:
        return mutants_of(self.files)


@pytest.fixture(
    scope="module",
    params=[(DiskFormat.VHD, 512), (DiskFormat.VHDX, 512), (DiskFormat.VHDX, 4096)],
    ids=["vhd", "vhdx-512", "vhdx-4096"],
)
def healthy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Healthy:
    kind, sector = request.param
    folder = tmp_path_factory.mktemp("healthy")
    writes = [(0, 0, 300), (0, 5000, 64), (1, 16, 8), (1, 2048, 2048), (2, 24, 1), (2, 5000, 8)]
    build_chain(folder, geometry(kind, sector), writes)
    if kind is DiskFormat.VHDX:
        disk = LabDisk.open([folder / name for name in NAMES[kind]])
        disk.leave_pending_log(7 * 4096, b"pending!" * 512)
    return Healthy(kind, read_folder(folder))


def areas(kind: DiskFormat) -> st.SearchStrategy[int]:
    """Where structures are: a poke elsewhere changes only what the guest wrote."""
    kib = 1 << 10
    vhd = [(0, 84), (512, 64), (1088, 192), (1536, 80), (3584, 80), (5632, 40), (7000, 2000)]
    vhdx = [(at * kib, 96) for at in (0, 64, 128, 192, 256)]
    vhdx += [(MIB, MIB), (2 * MIB - 8192, 8192), (2 * MIB, 256), (2 * MIB + 64 * kib, 6 * 4096)]
    vhdx += [(3 * MIB, 512)]
    found = [*vhd, (-512, 84)] if kind is DiskFormat.VHD else vhdx
    return st.one_of([st.integers(at, at + length - 1) for at, length in found])


def values(kind: DiskFormat) -> st.SearchStrategy[bytes]:
    order = "big" if kind is DiskFormat.VHD else "little"
    numbers = st.one_of(st.integers(0, (1 << 64) - 1), st.integers(0, 63).map(lambda n: 1 << n))
    return st.one_of(
        st.binary(min_size=1, max_size=8),
        numbers.map(lambda n: n.to_bytes(8, "big" if order == "big" else "little")),
        st.sampled_from([b"\xff" * 8, bytes(8), b"\xff" * 4, b"\x07", b"\x06", b"\x05"]),
        st.sampled_from([b"\0\0\0\3", b"\0\0\0\2", b"\0\0\0\4"]),
    )


def use(mutants: Mapping[str, Mutant], healthy: Healthy) -> None:
    """All that a caller may do with a disk; what it says must fit together."""
    files = MutantFiles(mutants, Budget(600))
    with suppress(*REFUSALS):
        inspect_chain(files, healthy.leaf, FileFormat(healthy.kind.lower()))
    chain = open_disk(files, healthy.leaf)
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
@settings(max_examples=50, deadline=5000)
@given(data=st.data())
def test_a_hostile_image_is_refused_or_read_and_nothing_else_happens(
    healthy: Healthy, *, is_sealed: bool, data: st.DataObject
) -> None:
    mutants = healthy.mutants()
    one_poke = st.tuples(st.integers(0, 2), areas(healthy.kind), values(healthy.kind))
    for level, place, new in data.draw(st.lists(one_poke, min_size=1, max_size=3)):
        mutant = mutants[NAMES[healthy.kind][level]]
        mutant.poke(place % mutant.size, new)
    if is_sealed:
        for mutant in mutants.values():
            resealed(mutant, healthy.kind)

    with suppress(*REFUSALS):
        use(mutants, healthy)


@settings(max_examples=30, deadline=5000)
@given(level=st.integers(0, 2), size=st.integers(0, 12 * MIB), keeps_footer=st.booleans())
def test_a_file_cut_or_extended_anywhere_is_refused_or_read_and_nothing_else_happens(
    healthy: Healthy, level: int, size: int, *, keeps_footer: bool
) -> None:
    mutants = healthy.mutants()
    mutant = mutants[NAMES[healthy.kind][level]]
    footer = mutant.part(mutant.size - 512, mutant.size)
    mutant.size = size
    if keeps_footer and healthy.kind is DiskFormat.VHD:
        mutant.poke(max(0, size - 512), footer)

    with suppress(*REFUSALS):
        use(mutants, healthy)


@settings(max_examples=30, deadline=5000)
@given(
    level=st.integers(0, 2),
    entries=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 15), st.integers(0, 7))),
)
def test_block_tables_that_point_anywhere_are_refused_or_read_and_nothing_else_happens(
    healthy: Healthy, level: int, entries: list[tuple[int, int, int]]
) -> None:
    """Onto structures, onto each other, out of the file, and in every state."""
    mutants = healthy.mutants()
    mutant = mutants[NAMES[healthy.kind][level]]
    for index, place, state in entries:
        if healthy.kind is DiskFormat.VHD:
            mutant.poke(1536 + 4 * index, (place * 701).to_bytes(4, "big"))
        else:
            mutant.poke(3 * MIB + 8 * index, (place << 20 | state).to_bytes(8, "little"))

    with suppress(*REFUSALS):
        use(mutants, healthy)


def test_the_healthy_chain_of_these_tests_is_healthy(healthy: Healthy) -> None:
    files = MutantFiles(healthy.mutants(), Budget(600))
    chain = open_disk(files, healthy.leaf)
    report = inspect_chain(files, healthy.leaf, FileFormat(healthy.kind.lower()))

    assert chain.paths[0] == healthy.leaf
    assert report.problems == []
    if healthy.kind is DiskFormat.VHDX:
        assert chain.read([ByteRange(7 * 4096, 8 * 4096)]) == [b"pending!" * 512]
        assert report.files[0].pending_updates > 0
    else:
        assert chain.read([ByteRange(24 * 512, 25 * 512)]) == [noise(4, 512)]
    use(healthy.mutants(), healthy)
