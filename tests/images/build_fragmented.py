"""Make tests/images/fragmented-*.runs.zst anew: NTFS volumes whose page file is in many pieces.

    PYTHONPATH=. .venv/bin/python tests/images/build_fragmented.py

Needs mkfs.ntfs and ntfs-3g (with FUSE, so root). Files are written to a full volume from which
every other small file was deleted, so that the page file gets the holes: a few dozen, which its
record can list. For more than that see `build_odd_volumes.py`.
"""

import errno
import subprocess
import tempfile
from pathlib import Path

from reconciler.lab.images.sparse import Run, pack_runs

HERE = Path(__file__).parent
PAGE = 4096
MIB = 1 << 20
VOLUMES = {"fragmented-512": (512, 4096, 16 * MIB), "fragmented-4k": (4096, 4096, 16 * MIB)}
"""Sector, cluster, volume. Units: bytes."""
FILLERS = 600


def run(*words: object) -> None:
    subprocess.run([str(w) for w in words], check=True, stdout=subprocess.DEVNULL)


def fill(root: Path) -> None:
    for number in range(FILLERS):
        (root / f"filler-{number:04}.bin").write_bytes(bytes(PAGE))
    with (root / "ballast.bin").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(PAGE))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    for number in range(0, FILLERS, 2):
        (root / f"filler-{number:04}.bin").unlink()
    (root / "pagefile.sys").write_bytes(bytes(250 * PAGE))
    (root / "swapfile.sys").write_bytes(bytes(9 * PAGE))
    (root / "hiberfil.sys").write_bytes(bytes(5 * PAGE))
    (root / "Windows").mkdir()
    (root / "Windows" / "pagefile.sys").write_bytes(b"in another folder")


def runs(raw: Path) -> list[Run]:
    data = raw.read_bytes()
    found = []
    for at in range(0, len(data), PAGE):
        page = data[at : at + PAGE]
        if any(page):
            found.append((at, page))
    return found


def main() -> None:
    for name, (sector, cluster, size) in VOLUMES.items():
        with tempfile.TemporaryDirectory() as work:
            raw, folder = Path(work) / "volume", Path(work) / "folder"
            folder.mkdir()
            with raw.open("wb") as file:
                file.truncate(size)
            run("mkfs.ntfs", "-F", "-q", "-Q", "-c", cluster, "-s", sector, "-p", 8, raw)
            run("ntfs-3g", raw, folder)
            try:
                fill(folder)
            finally:
                run("umount", folder)
            (HERE / f"{name}.runs.zst").write_bytes(pack_runs(runs(raw)))


if __name__ == "__main__":
    main()
