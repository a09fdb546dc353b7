"""List the recovery points of a repository in a folder, or restore a disk of one."""

import argparse
import os
import sys
from pathlib import Path

from tests.second_reader.repository import Reader


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m tests.second_reader",
        description=f"{__doc__} The passphrase is that of the environment: PASSPHRASE.",
    )
    parser.add_argument("folder", type=Path, help="where repository.json is")
    parser.add_argument("point", nargs="?", help="SOURCE/POINT/DISK to be restored")
    parser.add_argument("target", nargs="?", type=Path, help="file to be made")
    words = parser.parse_args()
    reader = Reader(words.folder, os.environ.get("PASSPHRASE"))
    if words.target is None:
        for source, point in reader.points():
            for disk in reader.manifest(source, point)["disks"]:
                sys.stdout.write(f"{source}/{point}/{disk['description']['id']}\n")
        return
    with words.target.open("xb") as target:
        source, point, disk = words.point.split("/")
        reader.restore(source, point, disk, target)


if __name__ == "__main__":
    main()
