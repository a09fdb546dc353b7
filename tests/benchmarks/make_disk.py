"""A mixed disk of 6 GiB as servers have it: `python -m tests.benchmarks.make_disk OUT.raw`.

GPT with FAT32, NTFS and ext4: files of this machine that compress, media that does not, copies of
both, and free space. Needs no root: NTFS is filled by ntfscp, ext4 by mke2fs. The choice of files
is seeded, the files are this machine's, so figures of two machines are not of the same bytes.
"""

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MIB = 1 << 20
DISK_BYTES = 6 << 30
CLIP_BYTES = 50 * MIB
CLUSTER = 4096
CONTAINER_BYTES = 64 * MIB
MOST_FILE_BYTES = 200 * MIB
ROOTS = (Path("/usr/lib"), Path("/usr/share"), Path("/usr/bin"), Path(sys.base_prefix))


@dataclass(frozen=True)
class Mix:
    """What one file system gets, in MiB."""

    seed: int
    files: int
    media: int
    copies: int
    page_file: int


NTFS = Mix(seed=1, files=880, media=500, copies=300, page_file=128)
EXT4 = Mix(seed=2, files=880, media=550, copies=300, page_file=0)


def main() -> int:
    """Make the disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    make(parser.parse_args().out)
    return 0


def make(out: Path) -> None:
    """Partition, fill each partition as an image of its own, put them in their places."""
    out.unlink(missing_ok=True)
    with out.open("wb") as file:
        file.truncate(DISK_BYTES)
    run("sgdisk", "-n", "1:2048:+100M", "-t", "1:EF00", "-n", "2:0:+3000M", "-t", "2:0700",
        "-n", "3:0:0", "-t", "3:8300", str(out))  # fmt: skip
    places = list(partitions(out))
    with tempfile.TemporaryDirectory(dir=out.parent, prefix="make-disk-") as folder:
        for fill, (start, end) in zip((fill_fat, fill_ntfs, fill_ext4), places, strict=True):
            image = Path(folder) / "partition.img"
            with image.open("wb") as file:
                file.truncate(end - start)
            fill(image, Path(folder))
            run("dd", f"if={image}", f"of={out}", "bs=1M", "oflag=seek_bytes", f"seek={start}",
                "conv=notrunc,sparse", "status=none")  # fmt: skip
            image.unlink()


def partitions(disk: Path) -> Iterator[tuple[int, int]]:
    """First byte and the byte after the last of each, as sgdisk lists them."""
    for line in run("sgdisk", "-p", str(disk)).splitlines():
        words = line.split()
        if words and words[0].isdigit():
            yield int(words[1]) * 512, (int(words[2]) + 1) * 512


def fill_fat(image: Path, _: Path) -> None:
    """A boot partition with one program."""
    run("mkfs.vfat", "-F", "32", str(image))
    run("mmd", "-i", str(image), "::EFI", "::EFI/Boot")
    program = Path(sys.executable).resolve()
    run("mcopy", "-i", str(image), str(program), "::EFI/Boot/bootx64.efi")


def fill_ntfs(image: Path, folder: Path) -> None:
    """Files of a system, many in one file with each on a cluster of its own."""
    run("mkntfs", "-F", "-q", "-f", "-c", str(CLUSTER), "-L", "System", str(image))
    tree = folder / "ntfs"
    for number, path in enumerate(containers(tree, NTFS)):
        run("ntfscp", "-f", "-q", str(image), str(path), f"/{number:03d}-{path.name}")
        path.unlink()
    shutil.rmtree(tree)


def fill_ext4(image: Path, folder: Path) -> None:
    """Files of a system, as files."""
    tree = folder / "ext4"
    for path, target in placed(tree, EXT4):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    run("mke2fs", "-q", "-t", "ext4", "-L", "data", "-d", str(tree), str(image))
    shutil.rmtree(tree)


def containers(tree: Path, mix: Mix) -> Iterator[Path]:
    """Large files made of the mix's files, one at a time as the caller removes them."""
    tree.mkdir(parents=True, exist_ok=True)
    container = tree / "container"
    size = 0
    for path, target in placed(tree, mix):
        data = path.read_bytes()
        if len(data) >= CONTAINER_BYTES // 2:
            large = tree / f"large-{target.name}"
            large.write_bytes(data)
            yield large
            continue
        with container.open("ab") as file:
            size += file.write(data + bytes(-len(data) % CLUSTER))
        if size >= CONTAINER_BYTES:
            yield container
            size = 0
    if size:
        yield container


def placed(tree: Path, mix: Mix) -> Iterator[tuple[Path, Path]]:
    """Source and place of every file: system files, media, a page file, copies of both."""
    media = tree / ".media"
    media.mkdir(parents=True, exist_ok=True)
    files = list(picked(mix))
    for path in files:
        yield path, tree / "data" / path.relative_to("/")
    clips = [media / f"clip{n:02d}.bin" for n in range(mix.media * MIB // CLIP_BYTES)]
    random = np.random.default_rng(mix.seed)
    for clip in clips:
        clip.write_bytes(random.bytes(CLIP_BYTES))
        yield clip, tree / "media" / clip.name
    if mix.page_file:
        pages = media / "pagefile.sys"
        half = MIB // 2
        pages.write_bytes(b"".join(random.bytes(half) + bytes(half) for _ in range(mix.page_file)))
        yield pages, tree / pages.name
    yield from copies(tree, mix, files, clips)
    shutil.rmtree(media)


def copies(
    tree: Path, mix: Mix, files: Sequence[Path], clips: Sequence[Path]
) -> Iterator[tuple[Path, Path]]:
    """The same bytes a second time: half of them media, half files over 64 KiB."""
    half = mix.copies * MIB // 2
    for clip in clips[: half // CLIP_BYTES]:
        yield clip, tree / "copies" / clip.name
    copied = 0
    for number, path in enumerate(files):
        size = path.stat().st_size
        if size > 64 << 10 and copied < half:
            copied += size
            yield path, tree / "copies" / f"f{number}"


def picked(mix: Mix) -> Iterator[Path]:
    """Files of this machine in a seeded order, up to the mix's budget."""
    found = sorted({path for root in ROOTS for path in root.rglob("*") if is_data(path)})
    left = mix.files * MIB
    for number in np.random.default_rng(mix.seed).permutation(len(found)):
        size = found[number].stat().st_size
        if size <= left:
            left -= size
            yield found[number]
    if left > 100 * MIB:
        print(f"this machine has {left // MIB} MiB of files too few: less will compress")


def is_data(path: Path) -> bool:
    """A readable file that is neither empty nor huge."""
    with contextlib.suppress(OSError):
        return (
            path.is_file() and not path.is_symlink() and 0 < path.stat().st_size < MOST_FILE_BYTES
        )
    return False


def run(*command: str) -> str:
    """What it printed; its complaint as the error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
