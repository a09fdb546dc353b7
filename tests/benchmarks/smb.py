"""Reading a disk over SMB: our engine beside `smbclient get` and stock smbprotocol, as ratios.

Each contender reads the same file from the same Samba, in turn, a few times; the best of each
counts. `file` is what the product does (ranges of at most 4 MiB, as bytes), `engine` the READ
engine alone, whose data is looked at where it arrived. smbclient is asked to protect the connection
in the same way. Run: python -m tests.benchmarks.smb [--smbclient PATH]
"""

import argparse
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smbprotocol.connection import Connection  # type: ignore[import-untyped]
from smbprotocol.open import (  # type: ignore[import-untyped]
    CreateDisposition,
    CreateOptions,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    ShareAccess,
)
from smbprotocol.session import Session  # type: ignore[import-untyped]
from smbprotocol.tree import TreeConnect  # type: ignore[import-untyped]

from reconciler.adapters.smb.files import SmbFiles
from reconciler.adapters.smb.session import SmbServer, SmbSession
from reconciler.lab.file_server import create_file_server
from reconciler.lab.samba import Samba
from reconciler.model.ranges import ByteRange, pieces
from reconciler.model.unc import UncPath

MIB = 1 << 20
BATCH_BYTES = 4 * MIB
RANDOM_BYTES = 64 << 10
RANDOM_READS = 4096
PASSWORD = "of the benchmark"  # noqa: S105
PLACE = UncPath("files1", "vms", "disk.vhdx")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--smbclient", default=shutil.which("smbclient"))
    words.add_argument("--gib", type=float, default=2.0)
    words.add_argument("--rounds", type=int, default=3)
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name) / "files1"
        create_file_server(folder)
        size = int(given.gib * 1024) * MIB
        write_disk(folder / "vms", size)
        samba = Samba(folder, "127.0.0.1", 0, ("svc", PASSWORD))
        try:
            found = {
                way: compared(samba.port, size, given, encrypts=way == "encrypted")
                for way in ("signed", "encrypted")
            }
        finally:
            samba.close()
    json.dump(found, sys.stdout, indent=2)
    print()


def write_disk(folder: Path, size: int) -> None:
    """A file that is not all the same; read once, so that it is in the server's cache."""
    folder.mkdir()
    piece = hashlib.shake_128(b"bench").digest(8 * MIB)
    with (folder / PLACE.file).open("wb") as disk:
        for _ in range(0, size, len(piece)):
            disk.write(piece)
        disk.truncate(size)


def compared(port: int, size: int, given: Any, *, encrypts: bool) -> dict[str, float]:
    """The ratios of one way to protect the connection, and the rates that they are of."""
    server = SmbServer("files1", "127.0.0.1", port, "LAB\\svc", prefers_encryption=encrypts)
    offsets = places(size)
    contenders: dict[str, tuple[int, Callable[[], None]]] = {
        "engine": (size, lambda: by_engine(server, size)),
        "file": (size, lambda: by_file(server, size)),
        "random engine": (RANDOM_READS * RANDOM_BYTES, lambda: random_by_file(server, offsets)),
        "random stock": (
            RANDOM_READS * RANDOM_BYTES,
            lambda: random_by_stock(port, offsets, 1, encrypts=encrypts),
        ),
        "random stock pipelined": (
            RANDOM_READS * RANDOM_BYTES,
            lambda: random_by_stock(port, offsets, 4, encrypts=encrypts),
        ),
    }
    if given.smbclient:
        line = smbclient(given.smbclient, port, encrypts=encrypts)
        contenders["smbclient"] = (size, lambda: got(line))
    best = dict.fromkeys(contenders, 0.0)
    for _ in range(given.rounds):
        for name, (count, run) in contenders.items():
            began = time.perf_counter()
            run()
            best[name] = max(best[name], count / MIB / (time.perf_counter() - began))
    return {
        **ratio(best, "engine", "smbclient"),
        **ratio(best, "file", "smbclient"),
        **ratio(best, "random engine", "random stock"),
        **ratio(best, "random engine", "random stock pipelined"),
        **{f"{name}, MiB/s": round(rate) for name, rate in best.items()},
    }


def ratio(best: dict[str, float], ours: str, theirs: str) -> dict[str, float]:
    """Nothing for a contender that is not there."""
    return {f"{ours} / {theirs}": round(best[ours] / best[theirs], 2)} if theirs in best else {}


def places(size: int) -> list[int]:
    """Where 64 KiB are read, in no order and none twice in a batch."""
    numbers = struct.iter_unpack("<Q", hashlib.shake_128(b"places").digest(8 * RANDOM_READS))
    return [number % (size // RANDOM_BYTES) * RANDOM_BYTES for (number,) in numbers]


def by_engine(server: SmbServer, size: int) -> None:
    session = SmbSession(server, PASSWORD)
    with session.opened(PLACE) as file:
        reads = list(pieces([ByteRange(0, size)], file.read_bytes))
        if sum(len(data) for data in file.fetched(reads)) != size:
            raise SystemExit("the engine did not read all")
    session.close()


def by_file(server: SmbServer, size: int) -> None:
    files = SmbFiles(server, PASSWORD)
    file = files.open("\\\\files1\\vms\\disk.vhdx")
    for at in range(0, size, BATCH_BYTES):
        file.read([ByteRange(at, min(at + BATCH_BYTES, size))])
    files.close()


def random_by_file(server: SmbServer, offsets: list[int]) -> None:
    files = SmbFiles(server, PASSWORD)
    file = files.open("\\\\files1\\vms\\disk.vhdx")
    step = BATCH_BYTES // RANDOM_BYTES
    for first in range(0, len(offsets), step):
        file.read([ByteRange(at, at + RANDOM_BYTES) for at in offsets[first : first + step]])
    files.close()


def random_by_stock(port: int, offsets: list[int], under_way: int, *, encrypts: bool) -> None:
    """Stock smbprotocol, one read at a time or several."""
    connection = Connection(uuid.uuid4(), "127.0.0.1", port)
    connection.connect()
    session = Session(connection, "LAB\\svc", PASSWORD, require_encryption=encrypts)
    session.connect()
    tree = TreeConnect(session, "\\\\127.0.0.1\\vms")
    tree.connect()
    file = Open(tree, PLACE.file)
    file.create(
        ImpersonationLevel.Impersonation,
        FilePipePrinterAccessMask.FILE_READ_DATA,
        FileAttributes.FILE_ATTRIBUTE_NORMAL,
        ShareAccess.FILE_SHARE_READ,
        CreateDisposition.FILE_OPEN,
        CreateOptions.FILE_NON_DIRECTORY_FILE,
    )
    waiting: deque[tuple[Any, Any]] = deque()
    for at in offsets:
        if under_way == 1:
            file.read(at, RANDOM_BYTES)
            continue
        while len(waiting) >= under_way:
            receive, request = waiting.popleft()
            receive(request)
        message, receive = file.read(at, RANDOM_BYTES, send=False)
        waiting.append(
            (receive, connection.send(message, session.session_id, tree.tree_connect_id))
        )
    for receive, request in waiting:
        receive(request)
    connection.disconnect()


def smbclient(program: str, port: int, *, encrypts: bool) -> list[str]:
    protection = "encrypt" if encrypts else "sign"
    place = ["//127.0.0.1/vms", "-p", str(port), "-U", f"LAB/svc%{PASSWORD}"]
    get = f"get {PLACE.file} {os.devnull}"
    return [program, *place, f"--client-protection={protection}", "-c", get]


def got(line: list[str]) -> None:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"smbclient failed: {done.stdout[-300:]}{done.stderr[-300:]}")


if __name__ == "__main__":
    main()
