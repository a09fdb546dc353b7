"""Make the disk images of the lab anew: reconciler/lab/images/*.runs.zst and manifest.json.

    .venv/bin/python tests/images/build_images.py [NAME...]

Needs mkfs.ntfs and ntfs-3g (with FUSE, so root), mkfs.ext4 and sgdisk. Run it when the files below
change, and commit what it writes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyfsext  # type: ignore[import-not-found]
import pyfsntfs  # type: ignore[import-not-found]

from reconciler.lab.images.content import Content, make_content
from reconciler.lab.images.manifest import (
    DiskImage,
    FileSystem,
    ImageFile,
    ImageVolume,
    Manifest,
    read_manifest,
)
from reconciler.lab.images.sparse import Run, pack_runs
from reconciler.model.ranges import ByteRange

TARGET = Path(__file__).parents[2] / "reconciler" / "lab" / "images"
PAGE = 4096
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
NOISE, LETTERS, RECORDS = Content.NOISE, Content.LETTERS, Content.RECORDS


@dataclass(frozen=True)
class Wanted:
    """One file to put into a file system; fixed text, or bytes from a seed."""

    path: str
    size: int = 0
    kind: Content | None = None
    text: bytes = b""
    is_scratch: bool = False

    @property
    def data(self) -> bytes:
        return make_content(self.kind, self.path, self.size) if self.kind else self.text


@dataclass(frozen=True)
class Disk:
    """One disk: a partition without a file system, then one with the files."""

    name: str
    virtual_bytes: int
    guid: str
    first_type: str
    file_system: FileSystem
    volume_offset: int
    volume_bytes: int
    files: tuple[Wanted, ...]


USER = "Users/Administrator"
SYSTEM = "Windows/System32"
DISKS = (
    Disk(
        name="fin-sql01-disk0",
        virtual_bytes=4 * GIB,
        guid="5f6c3ba0-1c5e-4d3a-9f1e-0d6a7f8c1000",
        first_type="0C01",
        file_system="ntfs",
        volume_offset=17 * MIB,
        volume_bytes=40 * MIB,
        files=(
            Wanted("pagefile.sys", 4 * MIB, LETTERS, is_scratch=True),
            Wanted(f"{SYSTEM}/config/SYSTEM", 1 * MIB, LETTERS),
            Wanted(f"{SYSTEM}/config/SOFTWARE", 1 * MIB, LETTERS),
            Wanted(f"{SYSTEM}/drivers/etc/hosts", text=b"127.0.0.1 localhost\r\n"),
            Wanted("Windows/Logs/CBS/CBS.log", 1_500_000, RECORDS),
            Wanted("Windows/Temp/empty.tmp"),
            Wanted("Program Files/Microsoft SQL Server/Binn/sqlservr.exe", 1_621_440, LETTERS),
            Wanted("Program Files/Microsoft SQL Server/Log/ERRORLOG", 70_001, RECORDS),
            Wanted("ProgramData/cache/0001.bin", 256 * KIB, NOISE),
            Wanted("ProgramData/cache/0002.bin", 256 * KIB, NOISE),
            Wanted("ProgramData/cache/0003.bin", 255 * KIB + 17, NOISE),
            Wanted(f"{USER}/desktop.ini", text=b"[.ShellClassInfo]\r\n"),
            Wanted(f"{USER}/Documents/budget-2026.xlsx", 384 * KIB, NOISE),
            Wanted(f"{USER}/Documents/contract.docx", 200_123, NOISE),
            Wanted(f"{USER}/Documents/Übersicht Größen.txt", 12_345, RECORDS),
            Wanted(f"{USER}/Documents/notes.txt", 5_000, LETTERS),
            Wanted(f"{USER}/Pictures/site-1.jpg", 900_001, NOISE),
            Wanted(f"{USER}/Pictures/site-2.jpg", 811_777, NOISE),
            Wanted(f"{USER}/Pictures/site-3.jpg", 1 * MIB, NOISE),
            Wanted(f"{USER}/Pictures/thumbs.db", 4_096, NOISE),
        ),
    ),
    Disk(
        name="fin-sql01-disk1",
        virtual_bytes=8 * GIB,
        guid="5f6c3ba0-1c5e-4d3a-9f1e-0d6a7f8c1001",
        first_type="0C01",
        file_system="ntfs",
        volume_offset=3 * GIB,
        volume_bytes=24 * MIB,
        files=(
            Wanted("SQLData/finance.mdf", 4 * MIB, LETTERS),
            Wanted("SQLData/finance_log.ldf", 2 * MIB, NOISE),
            Wanted("Backup/finance-full.bak", 2 * MIB, NOISE),
            Wanted("Exports/2025/ledger.csv", 1_000_003, RECORDS),
            Wanted("Exports/2026/ledger.csv", 700_001, RECORDS),
            Wanted("Exports/readme.txt", text=b"One file a year.\r\n"),
        ),
    ),
    Disk(
        name="web-01-disk0",
        virtual_bytes=16 * GIB,
        guid="5f6c3ba0-1c5e-4d3a-9f1e-0d6a7f8c2000",
        first_type="EF02",
        file_system="ext4",
        volume_offset=5 * GIB,
        volume_bytes=32 * MIB,
        files=(
            Wanted("swap.img", 2 * MIB, LETTERS, is_scratch=True),
            Wanted("etc/hostname", text=b"web-01\n"),
            Wanted("etc/nginx/nginx.conf", text=b"worker_processes auto;\n"),
            Wanted("srv/www/index.html", 3_210, LETTERS),
            Wanted("srv/www/assets/app.js", 300_000, RECORDS),
            Wanted("srv/www/assets/logo.png", 48_111, NOISE),
            Wanted("srv/www/media/tour.mp4", 4 * MIB, NOISE),
            Wanted("srv/www/media/teaser.mp4", 1_333_333, NOISE),
            Wanted("var/log/nginx/access.log", 3 * MIB, RECORDS),
            Wanted("var/log/nginx/error.log", 20_000, RECORDS),
            Wanted("var/lib/postgresql/16/main/base/16384/2619", 2 * MIB, LETTERS),
            Wanted("var/lib/postgresql/16/main/base/16384/1259", 1 * MIB, LETTERS),
            Wanted("var/lib/postgresql/16/main/pg_wal/000000010000000000000001", MIB, NOISE),
            Wanted("home/ops/.bash_history", 900, RECORDS),
            Wanted("home/ops/backup.tar.gz", 1_048_577, NOISE),
            Wanted("var/lib/empty"),
        ),
    ),
    Disk(
        name="tiny-windows",
        virtual_bytes=128 * MIB,
        guid="5f6c3ba0-1c5e-4d3a-9f1e-0d6a7f8c3000",
        first_type="0C01",
        file_system="ntfs",
        volume_offset=5 * MIB,
        volume_bytes=12 * MIB,
        files=(
            Wanted("pagefile.sys", 256 * KIB, LETTERS, is_scratch=True),
            Wanted(f"{SYSTEM}/config/SYSTEM", 300_000, LETTERS),
            Wanted("Data/orders.csv", 700_001, RECORDS),
            Wanted("Data/photo.jpg", 512 * KIB, NOISE),
            Wanted("Data/readme.txt", text=b"A small disk.\r\n"),
        ),
    ),
    Disk(
        name="tiny-linux",
        virtual_bytes=128 * MIB,
        guid="5f6c3ba0-1c5e-4d3a-9f1e-0d6a7f8c4000",
        first_type="EF02",
        file_system="ext4",
        volume_offset=7 * MIB,
        volume_bytes=8 * MIB,
        files=(
            Wanted("swap.img", 256 * KIB, LETTERS, is_scratch=True),
            Wanted("etc/hostname", text=b"tiny\n"),
            Wanted("srv/data/archive.tar.gz", 512 * KIB, NOISE),
            Wanted("srv/data/table", 300_000, LETTERS),
            Wanted("var/log/syslog", 400_000, RECORDS),
        ),
    ),
)


def run(*command: object) -> None:
    environment = {**os.environ, "E2FSPROGS_FAKE_TIME": "1767225600", "MKE2FS_DETERMINISTIC": "1"}
    words = [str(word) for word in command]
    subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)


def write_files(folder: Path, wanted: tuple[Wanted, ...]) -> None:
    for file in wanted:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)


def make_volume(disk: Disk, work: Path) -> Path:
    volume, folder = work / "volume", work / "folder"
    with volume.open("wb") as file:
        file.truncate(disk.volume_bytes)
    folder.mkdir()
    if disk.file_system == "ntfs":
        run(
            "mkfs.ntfs",
            "-F",
            "-q",
            "-Q",
            "-c",
            PAGE,
            "-s",
            512,
            "-p",
            disk.volume_offset // 512,
            "-L",
            disk.name[-10:],
            volume,
        )
        run("ntfs-3g", volume, folder)
        try:
            write_files(folder, disk.files)
        finally:
            run("umount", folder)
    else:
        write_files(folder, disk.files)
        seeds = ["-U", disk.guid, "-E", f"hash_seed={disk.guid},root_owner=0:0"]
        features = ["-b", PAGE, "-O", "^orphan_file,^metadata_csum_seed", *seeds]
        run("mkfs.ext4", "-q", "-F", *features, "-d", folder, volume)
    shutil.rmtree(folder)
    return volume


def make_disk(disk: Disk, work: Path) -> Path:
    """A raw disk with a GPT; sgdisk writes both tables."""
    raw = work / "disk"
    with raw.open("wb") as file:
        file.truncate(disk.virtual_bytes)
    start, count = disk.volume_offset // 512, disk.volume_bytes // 512
    kind = "0700" if disk.file_system == "ntfs" else "8300"
    first = [
        f"--new=1:2048:+{min(16, disk.volume_offset // MIB - 2)}M",
        f"--typecode=1:{disk.first_type}",
    ]
    second = [f"--new=2:{start}:+{disk.volume_bytes // KIB}K", f"--typecode=2:{kind}"]
    guids = [
        f"--disk-guid={disk.guid}",
        f"--partition-guid=1:{disk.guid[:-1]}a",
        f"--partition-guid=2:{disk.guid[:-1]}b",
    ]
    run("sgdisk", "--set-alignment=1", *first, *second, *guids, raw)
    with raw.open("r+b") as file, make_volume(disk, work).open("rb") as volume:
        file.seek(start * 512)
        file.write(volume.read(count * 512))
    return raw


class Window:
    """One volume of a raw disk, as the file-like object that the libraries read."""

    def __init__(self, raw: Path, offset: int, length: int) -> None:
        self._file = raw.open("rb")
        self._offset, self._length, self._position = offset, length, 0

    def read(self, size: int) -> bytes:
        self._file.seek(self._offset + self._position)
        data = self._file.read(min(size, self._length - self._position))
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> None:
        begin = (0, self._position, self._length)[whence]
        self._position = begin + offset

    def tell(self) -> int:
        return self._position

    def get_offset(self) -> int:
        return self._position

    def get_size(self) -> int:
        return self._length


def find_files(disk: Disk, raw: Path) -> Iterator[ImageFile]:
    library = pyfsntfs if disk.file_system == "ntfs" else pyfsext
    volume = library.volume()
    volume.open_file_object(Window(raw, disk.volume_offset, disk.volume_bytes))
    for wanted in disk.files:
        path = f"/{wanted.path}".replace("/", "\\" if disk.file_system == "ntfs" else "/")
        entry = volume.get_file_entry_by_path(path)
        extents = [entry.get_extent(i)[:2] for i in range(entry.number_of_extents)]
        yield ImageFile(
            path=path,
            size=len(wanted.data),
            sha256=hashlib.sha256(wanted.data).hexdigest(),
            content=wanted.kind if extents else None,
            seed=wanted.path if extents and wanted.kind else "",
            is_scratch=wanted.is_scratch,
            extents=tuple((disk.volume_offset + offset, length) for offset, length in extents),
        )


def check(raw: Path, file: ImageFile) -> None:
    with raw.open("rb") as stream:
        data = b""
        for place in file.places(ByteRange(0, max(file.size, 1))):
            stream.seek(place.start)
            data += stream.read(place.length)
    if file.extents and hashlib.sha256(data[: file.size]).hexdigest() != file.sha256:
        raise SystemExit(f"{file.path}: its extents do not hold its bytes")


def left_runs(raw: Path, files: tuple[ImageFile, ...]) -> Iterator[Run]:
    """The disk's pages that are not zero once the generated bytes are taken away."""
    with raw.open("r+b") as stream:
        for file in files:
            for place in file.places(ByteRange(0, max(file.size, 1))) if file.content else ():
                stream.seek(place.start)
                stream.write(bytes(place.length))
    pending: list[bytes] = []
    start = 0
    for offset, page in pages(raw):
        if pending and offset != start + len(pending) * PAGE:
            yield start, b"".join(pending)
            pending = []
        start = start if pending else offset
        pending.append(page)
    yield start, b"".join(pending)


def pages(raw: Path) -> Iterator[Run]:
    with raw.open("rb") as stream:
        end = raw.stat().st_size
        position = 0
        while position < end:
            try:
                position = os.lseek(stream.fileno(), position, os.SEEK_DATA) // PAGE * PAGE
            except OSError:
                return
            stream.seek(position)
            page = stream.read(PAGE)
            if any(page):
                yield position, page
            position += PAGE


def build(disk: Disk) -> DiskImage:
    with tempfile.TemporaryDirectory() as name:
        raw = make_disk(disk, Path(name))
        files = tuple(find_files(disk, raw))
        for file in files:
            check(raw, file)
        packed = pack_runs(left_runs(raw, files))
    (TARGET / f"{disk.name}.runs.zst").write_bytes(packed)
    volume = ImageVolume(
        offset=disk.volume_offset,
        length=disk.volume_bytes,
        file_system=disk.file_system,
        files=files,
    )
    return DiskImage(
        name=disk.name,
        virtual_bytes=disk.virtual_bytes,
        logical_sector_bytes=512,
        physical_sector_bytes=4096,
        volumes=(volume,),
    )


def main() -> None:
    """Images that are not named stay as they are."""
    names = sys.argv[1:] or [disk.name for disk in DISKS]
    kept = {image.name: image for image in read_manifest().images if image.name not in names}
    built = {disk.name: build(disk) for disk in DISKS if disk.name in names}
    manifest = Manifest(images=tuple((kept | built)[disk.name] for disk in DISKS))
    (TARGET / "manifest.json").write_text(manifest.model_dump_json(indent=1) + "\n")


if __name__ == "__main__":
    main()
