"""From a policy file to a recovered disk, in the lab, with the commands an operator would type.

Nothing is taken on trust: what was recovered is compared byte for byte with raw shadows that no
VHDX code of ours has touched, read through libvhdi, and files are found in it by libfsntfs and
libfsext and compared by hash. Anything that differs ends the demo with a loud error. Only within
a page file, where libfsntfs finds it, may a later point hold older bytes: those are left out.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import pyfsext
import pyfsntfs
import pyvhdi

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".demo"
ZEROS = bytes(120 << 10)
ENGINE = sys.argv[1:]
"""More words for `reconciler lab up`: none, or `--engine powershell`."""
MACHINES = ("fin-sql01", "web-01")
PAGE_FILES = ("\\pagefile.sys", "\\swapfile.sys")
CHUNK = 120 << 10
"""Small enough that memory is reused and not mapped anew for each piece."""


def main() -> None:
    """Walk the whole way and say at the end what was proven."""
    began = time.monotonic()
    _start_over()
    try:
        proven = _walk()
    finally:
        _run("lab", "down", quiet=True)
    print(f"\nPROVEN in {time.monotonic() - began:.0f} s: {proven}", flush=True)


def _walk() -> str:
    _run("lab", "up", *ENGINE)
    _run("check", "../policies")
    _run("plan")
    _run("apply", "--progress-every", "1")
    _run("lab", "shadow", "--to", "shadow-1", quiet=True)
    first = _files()
    between = _clock()
    written = sum(_write(machine, "1.5") for machine in MACHINES)
    _run("lab", "clock", "--advance", "1440")
    before = _traffic()
    _run("plan")
    _run("apply", "--progress-every", "1")
    crossed = _traffic() - before
    _run("lab", "shadow", "--to", "shadow-2", quiet=True)
    second = _files()
    print(
        f"\n  guests wrote {written:,} bytes in small pieces over {_virtual_bytes():,} bytes of "
        f"disks;\n  {_read():,} bytes were read for it, in whole blocks of 64 KiB, and {crossed:,} "
        "crossed the sockets:\n  PSRP carries bytes as base64 in base64",
        flush=True,
    )
    _run("plan")
    _run("show")
    for machine in MACHINES:
        _run("recover", "disks", machine, "--at", between, "--to", f"recovered-1/{machine}")
        _run("recover", "disks", machine, "--to", f"recovered-2/{machine}")
    page_files = _page_files(first)
    compared, left_out = _compare_all(page_files)
    files = _check_files("recovered-1", first) + _check_files("recovered-2", second)
    changed = sum(first[key] != second[key] for key in first)
    if not changed:
        _fail("no file differs between the two points: the guests wrote nothing")
    return (
        f"{compared:,} bytes in {2 * len(_disks('shadow-1'))} recovered disks equal their shadows"
        f"{f' but for {left_out:,} bytes of page files that were left out' if left_out else ''}, "
        f"{files} files in NTFS and ext4 have their hashes at both points in time, "
        f"{changed} of them changed between the points"
    )


def _start_over() -> None:
    if HOME.exists():
        _run("lab", "down", quiet=True)
        shutil.rmtree(HOME)
    HOME.mkdir()


def _run(*words: str, quiet: bool = False) -> str:
    """One command as an operator would type it; a failure ends the demo."""
    print(f"\n$ reconciler {' '.join(words)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", *words],
        cwd=HOME,
        env={
            **os.environ,
            "RECONCILER_POLICIES": "../policies",
            "RECONCILER_CLOCK": "lab",
            "RECONCILER_LOG_FORMAT": os.environ.get("RECONCILER_LOG_FORMAT", "console"),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if not quiet:
        print(done.stdout, end="", flush=True)
    if done.returncode:
        _fail(f"`reconciler {' '.join(words)}` ended with exit code {done.returncode}")
    return done.stdout


def _fail(message: str) -> NoReturn:
    print(f"\nDEMO FAILED: {message}", file=sys.stderr, flush=True)
    sys.exit(1)


def _clock() -> str:
    text = _run("lab", "clock", quiet=True).strip()
    return text.replace(" UTC", "+00:00").replace(" ", "T")


def _write(machine: str, mib: str) -> int:
    return int(json.loads(_run("lab", "write", machine, "--mib", mib, "--json", quiet=True)))


def _traffic() -> int:
    return sum(json.loads(_run("lab", "traffic", "--json", quiet=True)).values())


def _read() -> int:
    """What the newest points took. Units: bytes."""
    shown = json.loads(_run("show", "--output", "json", quiet=True))["machines"]
    return sum(each["recovery_points"][-1]["bytes_read"] for each in shown)


def _files() -> dict[tuple[str, int, int, str, str], str]:
    """What each known file holds now, by machine, disk, volume, file system and path."""
    found = {}
    for machine in MACHINES:
        for each in json.loads(_run("lab", "files", machine, "--json", quiet=True)):
            place = (each["disk_number"], each["volume_offset"], each["file_system"], each["path"])
            found[(machine, *place)] = each["sha256"]
    return found


def _disks(folder: str) -> list[Path]:
    return sorted((HOME / folder).glob("*.raw"))


def _virtual_bytes() -> int:
    return sum(path.stat().st_size for path in _disks("shadow-1"))


def _recovered(folder: str, machine: str, number: int) -> Path:
    return sorted((HOME / folder / machine).glob("*.vhdx"))[number]


Extents = list[tuple[int, int]]
"""Start and end of each piece. Units: bytes from the start of the disk."""


def _page_files(files: dict[tuple[str, int, int, str, str], str]) -> dict[str, Extents]:
    """Where libfsntfs finds the page files, in the disks as they were first; by shadow's name."""
    found: dict[str, Extents] = {}
    for machine, number, offset, file_system, _ in files:
        if file_system != "ntfs":
            continue
        vhdx = pyvhdi.file()
        vhdx.open(str(_recovered("recovered-1", machine, number)))
        volume = pyfsntfs.volume()
        volume.open_file_object(Window(vhdx, offset))
        for path in PAGE_FILES:
            entry = volume.get_file_entry_by_path(path)
            for index in range(entry.get_number_of_extents() if entry else 0):
                start, size, _flags = entry.get_extent(index)
                found.setdefault(f"{machine}-disk{number}", []).append(
                    (offset + start, offset + start + size)
                )
    return found


def _compare_all(page_files: dict[str, Extents]) -> tuple[int, int]:
    """Every byte of every recovered disk against its shadow: how many, and left out of them."""
    pairs = []
    for generation in ("1", "2"):
        for shadow in _disks(f"shadow-{generation}"):
            machine, _, disk = shadow.stem.rpartition("-disk")
            recovered = _recovered(f"recovered-{generation}", machine, int(disk))
            may_differ = page_files.get(shadow.stem, []) if generation == "2" else []
            pairs.append((recovered, shadow, may_differ))
    print("\ncomparing every byte with the shadows …", flush=True)
    left_out = 0
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for (disk, shadow, _), (wrong, older) in zip(
            pairs, pool.map(_differences, pairs), strict=True
        ):
            if wrong is not None:
                _fail(f"{disk} differs from {shadow} at byte {wrong:,}")
            but = f"  but for {older:,} bytes of page files" if older else ""
            print(f"  equal  {disk.relative_to(HOME)}  {shadow.relative_to(HOME)}{but}", flush=True)
            left_out += older
    return sum(shadow.stat().st_size for _, shadow, _ in pairs), left_out


def _differences(pair: tuple[Path, Path, Extents]) -> tuple[int | None, int]:
    """Where two disks differ first, None if nowhere; and the bytes that may and do."""
    vhdx = pyvhdi.file()
    vhdx.open(str(pair[0]))
    size, older = pair[1].stat().st_size, 0
    if vhdx.get_media_size() != size:
        return min(vhdx.get_media_size(), size), older
    with pair[1].open("rb") as shadow:
        for start, end, is_hole in _stretches(shadow, size):
            for offset in range(start, end, CHUNK):
                count = min(CHUNK, end - offset)
                wanted = ZEROS[:count] if is_hole else os.pread(shadow.fileno(), count, offset)
                got = vhdx.read_buffer_at_offset(count, offset)
                if got == wanted:
                    continue
                for at in (each for each in range(count) if got[each] != wanted[each]):
                    if not any(first <= offset + at < last for first, last in pair[2]):
                        return offset + at, older
                    older += 1
    return None, older


def _stretches(shadow: BinaryIO, size: int) -> Iterator[tuple[int, int, bool]]:
    """The whole file, in order: start, end, and whether the file system knows it as a hole."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size, False
        return
    at = 0
    while at < size:
        try:
            data = os.lseek(shadow.fileno(), at, os.SEEK_DATA)
        except OSError:
            data = size
        if at < data:
            yield at, data, True
        if data == size:
            return
        at = os.lseek(shadow.fileno(), data, os.SEEK_HOLE)
        yield data, at, False


def _check_files(folder: str, files: dict[tuple[str, int, int, str, str], str]) -> int:
    """Find each file with a library of its own and compare its hash; how many that were."""
    for (machine, number, offset, file_system, path), sha256 in files.items():
        vhdx = pyvhdi.file()
        vhdx.open(str(_recovered(folder, machine, number)))
        volume = pyfsntfs.volume() if file_system == "ntfs" else pyfsext.volume()
        volume.open_file_object(Window(vhdx, offset))
        entry = volume.get_file_entry_by_path(path)
        if entry is None or _sha256(entry) != sha256:
            _fail(f"{machine}: {path} of {folder} is not what the guest had at that time")
    return len(files)


def _sha256(entry: Any) -> str:
    digest = hashlib.sha256()
    for chunk in _content(entry):
        digest.update(chunk)
    return digest.hexdigest()


def _content(entry: Any) -> Iterator[bytes]:
    left = entry.get_size()
    entry.seek_offset(0, os.SEEK_SET)
    while left:
        chunk = entry.read_buffer(min(CHUNK, left))
        left -= len(chunk)
        yield chunk


class Window:
    """A disk from an offset on, as the file object that libyal reads volumes from."""

    def __init__(self, disk: Any, offset: int) -> None:
        self._disk = disk
        self._offset = offset
        self._at = 0

    def get_size(self) -> int:
        """Units: bytes."""
        return int(self._disk.get_media_size()) - self._offset

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
        """Move."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.get_size()}[whence]
        self._at = start + offset

    def tell(self) -> int:
        """Where."""
        return self._at

    def read(self, count: int) -> bytes:
        """Bytes from here on."""
        count = max(0, min(count, self.get_size() - self._at))
        data = bytes(self._disk.read_buffer_at_offset(count, self._offset + self._at))
        self._at += len(data)
        return data


if __name__ == "__main__":
    main()
