"""Disk files for tests: fakes of files on a host, and chains of both formats, to read or break."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256, shake_128
from pathlib import Path, PureWindowsPath
from typing import Protocol

from reconciler.blocks import vhd_format, vhdx_format
from reconciler.errors import DiskUnreadableError
from reconciler.lab.disks import LabDisk
from reconciler.model.machine import DiskFormat, DiskGeometry
from reconciler.model.ranges import ByteRange

MIB = 1 << 20
DISK_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
FOLDER = "C:\\VMs\\"
NAMES = {
    DiskFormat.VHD: ("base.vhd", "one1.avhd", "two2.avhd"),
    DiskFormat.VHDX: ("base.vhdx", "one1.avhdx", "two2.avhdx"),
}


def noise(seed: int, length: int) -> bytes:
    return shake_128(seed.to_bytes(8, "little")).digest(length)


class MemoryFile:
    """A file on a host, in memory, that notes what is asked of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.calls: list[tuple[str, tuple[ByteRange, ...]]] = []

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        self.calls.append(("read", tuple(ranges)))
        return [self.part(this) for this in ranges]

    def hashes(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        self.calls.append(("hashes", tuple(ranges)))
        return [sha256(self.part(this)).digest() for this in ranges]

    def part(self, this: ByteRange) -> bytes:
        assert this.end <= self.size, "read behind the end"
        return self.data[this.start : this.end]


class FolderFile(MemoryFile):
    """The same, in a folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(b"")
        self.path = path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def part(self, this: ByteRange) -> bytes:
        with self.path.open("rb") as file:
            file.seek(this.start)
            data = file.read(this.length)
        assert len(data) == this.length, "read behind the end"
        return data


class MemoryHost:
    """Files of a host by their whole path, or by a name without a folder."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.opened: dict[str, MemoryFile] = {}

    def open(self, path: str) -> MemoryFile:
        for known in (path, PureWindowsPath(path).name):
            if known in self.files:
                self.opened[path] = MemoryFile(self.files[known])
                return self.opened[path]
        raise DiskUnreadableError(f"{path} is not there", hint="look")


class FolderFiles:
    """Files of a host that lie in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: dict[str, FolderFile] = {}

    def open(self, path: str) -> FolderFile:
        self.opened[path] = FolderFile(self.folder / PureWindowsPath(path).name)
        return self.opened[path]


class Readable(Protocol):
    """What a mutant is made of: a healthy file."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice, /) -> bytes: ...


@dataclass
class Mutant:
    """A healthy file with changes, which are kept beside it: to copy it each time is too slow."""

    data: Readable
    size: int
    changes: list[tuple[int, bytes]] = field(default_factory=list)

    def part(self, start: int, end: int) -> bytes:
        part = bytearray(self.data[start:end].ljust(end - start, b"\0"))
        for at, new in self.changes:
            first, last = max(start, at), min(end, at + len(new))
            if first < last:
                part[first - start : last - start] = new[first - at : last - at]
        return bytes(part)

    def poke(self, at: int, new: bytes) -> None:
        """Change bytes; what would lie behind the end is left out."""
        if 0 <= at < self.size:
            self.changes.append((at, new[: self.size - at]))

    def touches(self, start: int, end: int) -> bool:
        return any(at < end and at + len(new) > start for at, new in self.changes)


@dataclass
class Budget:
    """How much a reader may ask for, as a bound that says 'endless' or 'unbounded' when broken."""

    most_calls: int
    most_bytes_a_call: int = 8 * MIB
    calls: int = 0

    def spend(self, ranges: Sequence[ByteRange]) -> None:
        self.calls += 1
        assert self.calls <= self.most_calls, "endless"
        assert sum(r.length for r in ranges) <= self.most_bytes_a_call, "unbounded"


class MutantFile:
    """A mutant as a file on a host."""

    def __init__(self, mutant: Mutant, budget: Budget) -> None:
        self.mutant = mutant
        self.budget = budget
        self.size = mutant.size

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        self.budget.spend(ranges)
        assert all(r.end <= self.size for r in ranges), "read behind the end"
        return [self.mutant.part(r.start, r.end) for r in ranges]

    def hashes(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        return [sha256(data).digest() for data in self.read(ranges)]


@dataclass
class MutantFiles:
    """Mutants by name."""

    mutants: Mapping[str, Mutant]
    budget: Budget

    def open(self, path: str) -> MutantFile:
        self.budget.spend(())
        name = PureWindowsPath(path).name
        if name not in self.mutants:
            raise DiskUnreadableError(f"{path[:80]} is not there", hint="look")
        return MutantFile(self.mutants[name], self.budget)


def mutants_of(files: Mapping[str, bytes]) -> dict[str, Mutant]:
    return {name: Mutant(data, len(data)) for name, data in files.items()}


def build_chain(
    folder: Path, geometry: DiskGeometry, writes: Sequence[tuple[int, int, int]]
) -> bytes:
    """A chain of three disks with these writes (level, sector, count); the bytes it shows."""
    size, sector = geometry.virtual_bytes, geometry.logical_sector_bytes
    content = bytearray(size)
    names = NAMES[geometry.format]
    paths = [folder / name for name in names]
    is_vhd = geometry.format is DiskFormat.VHD
    LabDisk.create(paths[0], geometry, DISK_ID).close()
    for level in range(3):
        if level:
            block = (MIB << 1) >> level if is_vhd else MIB << (2 - level)
            LabDisk.create_child(paths[level], paths[level - 1], FOLDER + names[level - 1], block)
        disk = LabDisk.open(paths[: level + 1])
        for index, (on, first, count) in enumerate(writes):
            start = first * 512 // sector * sector
            end = min(size, start + count * sector)
            if on == level and start < end:
                content[start:end] = noise(index, end - start)
                disk.write(start, bytes(content[start:end]))
        disk.close()
    return bytes(content)


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def resealed(mutant: Mutant, kind: DiskFormat) -> None:
    """Right checksums, so that a damage is looked at and not only noticed."""
    seal = _vhd_seals(mutant) if kind is DiskFormat.VHD else _vhdx_seals(mutant)
    for start, length, offset in list(seal):
        if not (mutant.touches(start, start + length) and 0 <= start <= mutant.size - length):
            continue
        data = mutant.part(start, start + length)
        module = vhd_format if kind is DiskFormat.VHD else vhdx_format
        mutant.poke(start, module.sealed(data, offset))


def _vhd_seals(mutant: Mutant) -> Iterator[tuple[int, int, int]]:
    yield 0, 512, 64
    yield mutant.size - 512, 512, 64
    yield int.from_bytes(mutant.part(16, 24), "big"), 1024, 36


def _vhdx_seals(mutant: Mutant) -> Iterator[tuple[int, int, int]]:
    for offset in vhdx_format.HEADER_OFFSETS:
        yield offset, vhdx_format.HEADER_BYTES, 4
    for offset in vhdx_format.REGION_TABLE_OFFSETS:
        yield offset, vhdx_format.REGION_TABLE_BYTES, 4
    for offset in range(MIB, min(2 * MIB, mutant.size), 4096):
        if mutant.part(offset, offset + 4) != b"loge":
            continue
        length = int.from_bytes(mutant.part(offset + 8, offset + 12), "little")
        if 0 < length <= 2 * MIB - offset and length % 4096 == 0:
            yield offset, length, 4
