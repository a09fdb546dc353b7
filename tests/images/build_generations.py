"""Make tests/images/generations.runs.zst anew: one guest's disk at four moments.

    PYTHONPATH=. .venv/bin/python tests/images/build_generations.py

Needs mkfs.ntfs and ntfs-3g (with FUSE, so root). At first there are documents and a page file. Then
the guest pages and writes. Then the page file is made anew elsewhere, and documents are written to
where it was. At last it has grown, and a swap file is where a document was.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.lab.images.content import Content, make_content
from reconciler.lab.images.sparse import Run, pack_runs
from tests.guest_disks import BASIC_DATA, GENERATION, SECTOR, gpt

HERE = Path(__file__).parent
PAGE = 4096


def run(*words: object) -> None:
    subprocess.run([str(w) for w in words], check=True, capture_output=True)


def pages(what: str, count: int) -> bytes:
    return b"".join(f"{what} {n} ".encode() * 700 for n in range(count))[: count * PAGE]


def text(seed: str, size: int) -> bytes:
    return make_content(Content.RECORDS, seed, size)


def first(root: Path) -> None:
    (root / "Documents").mkdir()
    for number, size in enumerate((300, 5_000, 40_000, 120_000, 77_777, 4096, 200_000)):
        (root / "Documents" / f"{number}.csv").write_bytes(text(f"first {number}", size))
    (root / "pagefile.sys").write_bytes(pages("paged", 120))
    (root / "hiberfil.sys").write_bytes(pages("asleep", 20))


def second(root: Path) -> None:
    with (root / "pagefile.sys").open("r+b") as file:
        for page in range(0, 120, 3):
            file.seek(page * PAGE)
            file.write(pages(f"paged again {page}", 1))
    with (root / "Documents" / "3.csv").open("r+b") as file:
        file.seek(50_000)
        file.write(text("second 3", 30_000))
    (root / "Documents" / "new.csv").write_bytes(text("second new", 33_333))


def third(root: Path) -> None:
    (root / "pagefile.sys").unlink()
    for number in range(5):
        (root / "Documents" / f"later-{number}.csv").write_bytes(text(f"third {number}", 60_000))
    (root / "pagefile.sys").write_bytes(pages("paged elsewhere", 90))


def fourth(root: Path) -> None:
    with (root / "pagefile.sys").open("ab") as file:
        file.write(pages("paged at length", 60))
    (root / "Documents" / "6.csv").unlink()
    (root / "swapfile.sys").write_bytes(pages("swapped", 40))
    (root / "hiberfil.sys").write_bytes(pages("asleep again", 20))


MOMENTS: tuple[Callable[[Path], None], ...] = (first, second, third, fourth)


@contextmanager
def mounted(volume: Path, folder: Path) -> Iterator[Path]:
    run("ntfs-3g", volume, folder)
    try:
        yield folder
    finally:
        run("umount", folder)


def moments() -> Iterator[bytes]:
    """The whole disk each time."""
    disk = bytearray(GENERATION.size)
    place = GENERATION.volume
    partition = (BASIC_DATA, place.start // SECTOR, place.end // SECTOR - 1)
    for at, part in gpt(len(disk) // SECTOR, [partition]).values():
        disk[at : at + len(part)] = part
    with tempfile.TemporaryDirectory() as work:
        volume, folder = Path(work) / "volume", Path(work) / "folder"
        folder.mkdir()
        with volume.open("wb") as file:
            file.truncate(place.length)
        options = ("-c", PAGE, "-s", SECTOR, "-p", place.start // SECTOR)
        run("mkfs.ntfs", "-F", "-q", "-Q", *options, volume)
        for moment in MOMENTS:
            with mounted(volume, folder) as root:
                moment(root)
            disk[place.start : place.end] = volume.read_bytes()
            yield bytes(disk)


def runs() -> Iterator[Run]:
    """Of each moment the pages that are not as they were, behind those of the moment before."""
    before = bytes(GENERATION.size)
    for number, disk in enumerate(moments()):
        for at in range(0, len(disk), PAGE):
            if disk[at : at + PAGE] != before[at : at + PAGE]:
                yield number * len(disk) + at, disk[at : at + PAGE]
        before = disk


if __name__ == "__main__":
    (HERE / "generations.runs.zst").write_bytes(pack_runs(runs()))
