"""Make tests/images/odd-volumes.runs.zst anew: an MBR disk of NTFS volumes with odd page files.

    PYTHONPATH=. .venv/bin/python tests/images/build_odd_volumes.py

Needs mkfs.ntfs and ntfs-3g (with FUSE, so root). In order: a page file in hundreds of pieces, more
than its record can list; a compressed one; a sparse one. As logical drives: one within its record;
one with two names; one in hundreds of pieces with many names; a plain one; one told in a file table
that is itself in more pieces than its first record can list.
"""

import os
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, zip_longest
from pathlib import Path

import pyfsntfs  # type: ignore[import-not-found]

from reconciler.lab.images.sparse import Run, pack_runs
from tests.guest_disks import MIB, ODD_END, ODD_EXTENDED, ODD_LOGICAL, ODD_PRIMARY, SECTOR

HERE = Path(__file__).parent
PAGE = 4096
COMPRESSED = struct.pack("<I", 0x800)
PIECES = 900
NAMES = 12
FILES = 2000


def run(*words: object) -> None:
    subprocess.run([str(w) for w in words], check=True, stdout=subprocess.DEVNULL)


class Volume:
    """A volume that is being filled."""

    def __init__(self, work: Path) -> None:
        self.raw = work / "volume"
        self.root = work / "folder"

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        self.root.mkdir(exist_ok=True)
        run("ntfs-3g", "-o", "compression", self.raw, self.root)
        try:
            yield self.root
        finally:
            run("umount", self.root)

    def leave_holes(self) -> None:
        """Let no free cluster have a free neighbour; then hardly a file is in one piece."""
        with self.mounted() as root:
            (root / "fillers").mkdir()
            with suppress(OSError):
                for number in count():
                    (root / "fillers" / str(number)).write_bytes(bytes(PAGE))
            with suppress(OSError), (root / "ballast.bin").open("wb", buffering=0) as ballast:
                while True:
                    ballast.write(bytes(PAGE))
        ntfs = pyfsntfs.volume()
        ntfs.open(str(self.raw))
        fillers = ntfs.get_file_entry_by_path("\\fillers").sub_file_entries
        places = {f.name: f.get_extent(0)[0] // PAGE for f in fillers if f.number_of_extents}
        ntfs.close()
        with self.mounted() as root:
            for name, place in places.items():
                if place % 2:
                    (root / "fillers" / name).unlink()


def listed(volume: Volume) -> None:
    volume.leave_holes()
    with volume.mounted() as root:
        (root / "pagefile.sys").write_bytes(bytes(PIECES * PAGE))
        (root / "swapfile.sys").write_bytes(bytes(9 * PAGE))


def scattered(volume: Volume) -> None:
    volume.leave_holes()
    with volume.mounted() as root:
        (root / "empty").mkdir()
        for number in range(FILES):
            (root / "empty" / str(number)).touch()
        (root / "pagefile.sys").write_bytes(bytes(20 * PAGE))


def compressed(volume: Volume) -> None:
    with volume.mounted() as root:
        folder = root / "compressed"
        folder.mkdir()
        os.setxattr(folder, "system.ntfs_attrib", COMPRESSED)
        (folder / "pagefile.sys").write_bytes(b"often the same " * 20_000)
        (folder / "pagefile.sys").rename(root / "pagefile.sys")


def sparse(volume: Volume) -> None:
    with volume.mounted() as root, (root / "pagefile.sys").open("wb") as file:
        file.truncate(64 * PAGE)
        file.seek(40 * PAGE)
        file.write(b"in the middle" * 1000)


def resident(volume: Volume) -> None:
    with volume.mounted() as root:
        (root / "pagefile.sys").write_bytes(b"within its record")


def linked(volume: Volume) -> None:
    with volume.mounted() as root:
        (root / "pagefile.sys").write_bytes(bytes(9 * PAGE))
        os.link(root / "pagefile.sys", root / "document.bin")


def named(volume: Volume) -> None:
    listed(volume)
    with volume.mounted() as root:
        for number in range(NAMES):
            os.link(root / "pagefile.sys", root / "fillers" / f"{'another name ' * 12}{number}")


def plain(volume: Volume) -> None:
    with volume.mounted() as root:
        (root / "pagefile.sys").write_bytes(bytes(30 * PAGE))


@dataclass(frozen=True)
class Wanted:
    """A volume and where it is on the disk. Units: MiB."""

    where: int
    size: int
    fill: Callable[[Volume], None]

    def made(self) -> bytes:
        with tempfile.TemporaryDirectory() as work:
            volume = Volume(Path(work))
            with volume.raw.open("wb") as file:
                file.truncate(self.size * MIB)
            options = ("-F", "-q", "-Q", "-c", PAGE, "-s", SECTOR, "-p", self.where * MIB // SECTOR)
            run("mkfs.ntfs", *options, volume.raw)
            self.fill(volume)
            return volume.raw.read_bytes()


FILLS = {
    "listed": listed,
    "compressed": compressed,
    "sparse": sparse,
    "resident": resident,
    "linked": linked,
    "named": named,
    "plain": plain,
    "scattered": scattered,
}
PRIMARY = [Wanted(*place, FILLS[name]) for name, place in ODD_PRIMARY.items()]
LOGICAL = [Wanted(*place, FILLS[name]) for name, place in ODD_LOGICAL.items()]


def entry(kind: int, first: int, size: int) -> bytes:
    """Of a partition table; places in MiB."""
    places = (first * MIB // SECTOR, size * MIB // SECTOR)
    return struct.pack("<B3sB3sII", 0, bytes(3), kind, bytes(3), *places)


def table(*entries: bytes) -> bytes:
    return bytes(446) + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"


def tables() -> Iterator[Run]:
    """The first sector, and one before each logical drive that leads to the next."""
    primary = (entry(7, each.where, each.size) for each in PRIMARY)
    yield 0, table(*primary, entry(0x0F, ODD_EXTENDED, ODD_END - ODD_EXTENDED))
    for this, following in zip_longest(LOGICAL, LOGICAL[1:]):
        begin = this.where - 1
        more = (
            entry(5, following.where - 1 - ODD_EXTENDED, following.size + 1) if following else b""
        )
        yield begin * MIB, table(entry(7, 1, this.size), more)


def volumes() -> Iterator[Run]:
    for each in (*PRIMARY, *LOGICAL):
        data = each.made()
        for at in range(0, len(data), PAGE):
            if any(data[at : at + PAGE]):
                yield each.where * MIB + at, data[at : at + PAGE]


if __name__ == "__main__":
    (HERE / "odd-volumes.runs.zst").write_bytes(pack_runs([*tables(), *volumes()]))
