"""What guests do to their disks: overwrite known files where they lie, and scribble in page files.

A write is planned from a seed alone, so the note that it is about to happen is tiny. Order: note
and change log in one save → virtual disk → shadow → hashes, and the note gone, in one save. A kill
leaves the note, and doing the write again gives the same bytes; no checkpoint can slip between.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from reconciler.errors import PrerequisiteError
from reconciler.lab.book import HostBook
from reconciler.lab.dice import Dice
from reconciler.lab.disks import LabDisk
from reconciler.lab.images.content import Content, make_content
from reconciler.lab.images.manifest import ImageFile, disk_image
from reconciler.lab.shadow import Write, hash_shadow, write_shadow
from reconciler.lab.state import DiskState, MachineState, PendingWrite, new_id
from reconciler.lab.tracking import note_changes
from reconciler.model.ranges import ByteRange

_CLUSTER_BYTES = 4096
_SECTOR_BYTES = 512
_LENGTHS = (4 << 10, 16 << 10, 64 << 10, 64 << 10, 256 << 10, 1 << 20)
_KINDS = (Content.NOISE, Content.NOISE, Content.LETTERS, Content.LETTERS, Content.ZEROS)
_SCRIBBLES = 8


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file in a guest, and what it must hold now.

    Units: bytes; `volume_offset` is where its file system begins on the disk.
    """

    disk_number: int
    volume_offset: int
    file_system: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class FileWrite:
    """New bytes for a part of one file; the part is whole sectors."""

    disk_number: int
    file: ImageFile
    part: ByteRange
    kind: Content
    seed: str

    def writes(self) -> Iterator[Write]:
        """The pieces on the disk. Bytes past the end of the file are zero."""
        end = min(self.part.end, self.file.size)
        data = make_content(self.kind, self.seed, end - self.part.start)
        data = data.ljust(self.part.length, b"\0")
        position = 0
        for place in self.file.places(self.part):
            yield place.start, data[position : position + place.length]
            position += place.length


def hash_files(disk: DiskState, shadow: Path) -> dict[str, str]:
    """SHA-256 by path of each file that the image of a disk has, as it is now.

    Guests never write to what has no extents: it is empty, or lies within the file system's tables.
    """
    files = disk_image(disk.image).files() if disk.image else ()
    return {
        file.path: hash_shadow(shadow, file.places(ByteRange(0, file.size)))
        if file.extents and file.size
        else file.sha256
        for file in files
    }


def known_files(machine: MachineState) -> list[KnownFile]:
    """All files whose content is known, page files left out."""
    return [
        KnownFile(
            disk_number=disk.number,
            volume_offset=volume.offset,
            file_system=volume.file_system,
            path=file.path,
            sha256=disk.hashes[file.path],
            size=file.size,
        )
        for disk in machine.disks
        if disk.image
        for volume in disk_image(disk.image).volumes
        for file in volume.files
        if not file.is_scratch
    ]


def plan_writes(machine: MachineState, seed: str, total_bytes: int) -> list[FileWrite]:
    """Which parts of which files a guest writes next; the same seed always plans the same.

    Shape: sorted by disk. About `total_bytes` in known files, and a few sectors of page files.
    """
    dice = Dice(seed, machine.vm_id)
    files = [(disk.number, file) for disk in machine.disks for file in _writable(disk)]
    plain = [pair for pair in files if not pair[1].is_scratch]
    planned: list[FileWrite] = []
    left = total_bytes if plain else 0
    while left > 0:
        write = _plan_one(dice.pick(plain), f"{seed}/{len(planned)}", left)
        planned.append(write)
        left -= write.part.length
    for number, file in files:
        if file.is_scratch:
            planned += [_scribble(number, file, f"{seed}/{i}") for i in range(_SCRIBBLES)]
    return sorted(planned, key=attrgetter("disk_number"))


class Guests:
    """The guests of one host."""

    def __init__(self, book: HostBook) -> None:
        self._book = book

    def write(self, machine: MachineState, total_bytes: int, seed: str | None = None) -> int:
        """Let a guest write to its files.

        Returns: how many bytes were written.

        Raises:
            PrerequisiteError: The machine is not running.
        """
        with self._book.changed:
            self.finish()
            if machine.state != "Running":
                raise PrerequisiteError(
                    f"the guest of {machine.name} cannot write: it is {machine.state}",
                    hint=f"reconciler lab set {machine.name} State Running",
                )
            return self._write(machine, total_bytes, seed or new_id())

    def receive(self, machine: MachineState, total_bytes: int) -> int:
        """Let a replica have new bytes from its primary, as applying a log does.

        Returns: how many bytes were written.

        Raises:
            PrerequisiteError: The machine is no replica.
        """
        with self._book.changed:
            self.finish()
            if not str(machine.properties["ReplicationMode"]).endswith("Replica"):
                raise PrerequisiteError(
                    f"{machine.name} on {self._book.state.name} is no replica",
                    hint=f"its guest can write: reconciler lab write {machine.name}",
                )
            stamp = self._book.stamp()
            machine.properties |= {"LastReplicationTime": stamp, "LastAppliedLogTime": stamp}
            return self._write(machine, total_bytes, new_id())

    def _write(self, machine: MachineState, total_bytes: int, seed: str) -> int:
        planned = plan_writes(machine, seed, total_bytes)
        for disk, writes in _by_disk(machine, planned):
            note_changes(disk, _places(writes))
        self._book.state.pending = PendingWrite(
            vm_id=machine.vm_id, seed=seed, total_bytes=total_bytes
        )
        self._book.save()
        self.finish()
        return sum(write.part.length for write in planned)

    def finish(self) -> None:
        """Do the write that is noted, if there is one, from its beginning."""
        pending = self._book.state.pending
        if pending is None:
            return
        machine = self._book.machine(pending.vm_id)
        planned = plan_writes(machine, pending.seed, pending.total_bytes)
        for disk, writes in _by_disk(machine, planned):
            self._write_disk(disk, writes)
            shadow = self._book.shadow(machine, disk)
            write_shadow(shadow, (piece for write in writes for piece in write.writes()))
            for file in {write.file.path: write.file for write in writes}.values():
                whole = file.places(ByteRange(0, file.size))
                disk.hashes[file.path] = hash_shadow(shadow, whole)
        self._book.state.pending = None
        self._book.save()

    def _write_disk(self, disk: DiskState, writes: Sequence[FileWrite]) -> None:
        live = LabDisk.open([self._book.local(path) for path in disk.chain])
        try:
            for write in writes:
                for offset, data in write.writes():
                    live.write(offset, data)
        finally:
            live.close()


def _writable(disk: DiskState) -> Iterator[ImageFile]:
    if disk.has_file and disk.image:
        yield from (file for file in disk_image(disk.image).files() if file.extents and file.size)


def _plan_one(where: tuple[int, ImageFile], seed: str, most_bytes: int) -> FileWrite:
    number, file = where
    dice = Dice(seed)
    start = dice.below(-(-file.size // _CLUSTER_BYTES)) * _CLUSTER_BYTES
    length = min(dice.pick(_LENGTHS), max(most_bytes, _SECTOR_BYTES))
    part = ByteRange(start, _whole_sectors(min(start + length, file.size)))
    return FileWrite(number, file, part, dice.pick(_KINDS), seed)


def _scribble(number: int, file: ImageFile, seed: str) -> FileWrite:
    dice = Dice(seed, file.path)
    start = dice.below(file.size // _SECTOR_BYTES) * _SECTOR_BYTES
    end = min(start + _SECTOR_BYTES * dice.between(1, 8), file.size)
    return FileWrite(number, file, ByteRange(start, end), Content.NOISE, seed)


def _whole_sectors(length: int) -> int:
    return -(-length // _SECTOR_BYTES) * _SECTOR_BYTES


def _by_disk(
    machine: MachineState, planned: Sequence[FileWrite]
) -> Iterator[tuple[DiskState, list[FileWrite]]]:
    disks = {disk.number: disk for disk in machine.disks}
    for number, writes in groupby(planned, key=attrgetter("disk_number")):
        yield disks[number], list(writes)


def _places(writes: Sequence[FileWrite]) -> Iterator[ByteRange]:
    for write in writes:
        yield from write.file.places(write.part)
