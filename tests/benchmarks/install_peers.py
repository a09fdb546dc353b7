"""restic, borg and what makes a disk: `python -m tests.benchmarks.install_peers`; Debian, as root.

restic comes from a newer Debian than this may be, unpacked beside it and not installed; borg is
built in an environment of its own. What is there already stays as it is.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.peers import TOOLS, Borg, Disks, Restic

PROGRAMS = {
    "rsync": "rsync",
    "zstd": "zstd",
    "sgdisk": "gdisk",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "ntfscp": "ntfs-3g",
    "mke2fs": "e2fsprogs",
}
BORG = "borgbackup==1.4.5"
BORG_NEEDS = ("build-essential", "pkg-config", "python3-dev", "libacl1-dev", "libssl-dev",
              "liblz4-dev", "libzstd-dev", "libxxhash-dev")  # fmt: skip
RESTIC_SUITE = "trixie"
RESTIC_WANTED = "0.18"


def main() -> int:
    """Install what is missing and tell the versions."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        apt("update")
        apt("install", "-y", *missing)
    if not (TOOLS / "restic").exists():
        unpack_restic()
    if not (TOOLS / "borg/bin/borg").exists():
        build_borg()
    nowhere = Disks(Path(), Path(), Path(), Path())
    restic = Restic(nowhere).version()
    print(restic, Borg(nowhere).version(), sep="\n")
    if RESTIC_WANTED not in restic:
        print(f"restic {RESTIC_WANTED} could not be had: its rows are of another version")
    return 0


def unpack_restic() -> None:
    """The package of a newer suite, from where this machine gets its packages; else our own."""
    folder = TOOLS / "apt"
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    (folder / "archives/partial").mkdir(parents=True, exist_ok=True)
    sources = folder / f"{RESTIC_SUITE}.sources"
    sources.write_text(newer_sources())
    only_it = (
        "-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-",
        "-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder}",
    )  # fmt: skip
    try:
        apt(*only_it, "update")
        apt(*only_it, "download", "restic")
    except subprocess.CalledProcessError:
        apt("update")
        apt("download", "restic")
    package = next(TOOLS.glob("restic_*.deb"))
    run("dpkg", "-x", str(package), str(TOOLS / "restic"))
    package.unlink()
    shutil.rmtree(folder)


def newer_sources() -> str:
    """This machine's Debian sources with another suite, in the form with fields."""
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for part in path.read_text().split("\n\n"):
            fields = dict(line.split(":", 1) for line in part.splitlines() if ":" in line[1:20])
            suites = fields.get("Suites", "").split()
            if any(suite.endswith("-updates") for suite in suites):
                fields["Suites"] = f" {RESTIC_SUITE}"
                kept = ("Types", "URIs", "Suites", "Components", "Signed-By")
                return "".join(f"{name}:{fields[name]}\n" for name in kept if name in fields)
    return ""


def build_borg() -> None:
    """Its newest version, from source where there is no wheel."""
    apt("install", "-y", *BORG_NEEDS)
    run(sys.executable, "-m", "venv", str(TOOLS / "borg"))
    pip = str(TOOLS / "borg/bin/python")
    run(pip, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", BORG)


def apt(*arguments: str) -> None:
    """Without questions, in the folder of the tools."""
    run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *arguments)


def run(*command: str) -> None:
    """Its output goes to standard error."""
    subprocess.run(command, cwd=TOOLS, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
