"""Start, find and stop the processes of a lab. Each host is a process of its own."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from reconciler.errors import HostUnreachableError, ReconcilerError, SettingsError
from reconciler.lab.control import ControlClient, host_names
from reconciler.lab.files import FolderLock

ACCOUNT: Final = "LAB\\reconciler"
PASSWORD_FILE: Final = "password"  # noqa: S105 (where it is, not what it is)
PID_FILE: Final = "pid"
ADDRESSES: Final = {"hv1": ("127.0.1.1", 5985), "hv2": ("127.0.1.2", 5985)}
"""What the committed policies say; the WinRM port of plain HTTP, whose messages NTLM encrypts."""
START_S: Final = 20.0
STOP_S: Final = 15.0
_POLL_S: Final = 0.05

_started: Final[dict[int, "subprocess.Popen[bytes]"]] = {}
"""By process id. Hosts outlive who started them, and Python warns of a process it forgets."""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host of a lab."""

    name: str
    address: str
    port: int
    is_running: bool
    machines: tuple[str, ...]


def up(folder: Path, addresses: Mapping[str, tuple[str, int]] = ADDRESSES) -> None:
    """Make the lab if it is not there, and start every host that is not running.

    Raises:
        SettingsError: A host did not start; the message has the end of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _ensure_password(folder)
    if not host_names(folder):
        from reconciler.lab.create import create_lab  # noqa: PLC0415 (slow, and rarely needed)

        create_lab(folder)
    waiting = [
        (name, _start(folder, name, *_address(addresses, name)))
        for name in host_names(folder)
        if not _is_running(folder, name)
    ]
    for name, process in waiting:
        _wait_until_ready(folder, name, process)


def down(folder: Path) -> tuple[str, ...]:
    """Stop every host that runs; which ones. Their state stays."""
    running = [name for name in host_names(folder) if _is_running(folder, name)]
    pids = {name: _signal(folder, name, signal.SIGTERM) for name in running}
    for name, pid in pids.items():
        if not _wait_until_free(folder, name):
            _signal(folder, name, signal.SIGKILL)
            _wait_until_free(folder, name)
        _reap(pid)
    return tuple(running)


def status(
    folder: Path, addresses: Mapping[str, tuple[str, int]] = ADDRESSES
) -> tuple[HostStatus, ...]:
    """Every host of the lab."""
    found = []
    for name in host_names(folder):
        address, port = _address(addresses, name)
        machines = _machines(folder, name)
        found.append(HostStatus(name, address, port, machines is not None, machines or ()))
    return tuple(found)


def kill(folder: Path, name: str) -> None:
    """End one host as a power cut would."""
    pid = _signal(folder, name, signal.SIGKILL)
    _wait_until_free(folder, name)
    _reap(pid)


def _reap(pid: int | None) -> None:
    """Collect the end of a host, if it was this process that started it."""
    process = _started.pop(pid or 0, None)
    if process is not None:
        process.wait(STOP_S)


def _address(addresses: Mapping[str, tuple[str, int]], name: str) -> tuple[str, int]:
    if name in addresses:
        return addresses[name]
    raise SettingsError(
        f"the lab's folder holds a host {name}, which no address is known for",
        hint=f"the standard lab has {', '.join(sorted(addresses))}: name another folder",
    )


def _ensure_password(folder: Path) -> None:
    path = folder / PASSWORD_FILE
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(24) + "\n")


def _start(folder: Path, name: str, address: str, port: int) -> subprocess.Popen[bytes]:
    arguments = ["--folder", str(folder), "--host", name, "--address", address]
    with (folder / name / "host.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 (ourselves, with words of our own)
            [sys.executable, "-m", "reconciler.lab.serve", *arguments, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started[process.pid] = process
    return process


def _wait_until_ready(folder: Path, name: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        if _is_running(folder, name):
            return
        Event().wait(_POLL_S)
    log = (folder / name / "host.log").read_text(encoding="utf-8", errors="replace")
    last = log.strip().splitlines()[-1:] or ["it said nothing"]
    raise SettingsError(
        f"lab host {name} did not start: {last[0]}",
        hint=f"see {folder / name / 'host.log'}; another program may use its address",
    )


def _is_running(folder: Path, name: str) -> bool:
    return _machines(folder, name) is not None


def _machines(folder: Path, name: str) -> tuple[str, ...] | None:
    """The machines of a host; None when its process does not answer."""
    try:
        return tuple(ControlClient(folder, name).ask("ping")["machines"])
    except HostUnreachableError:
        return None


def _wait_until_free(folder: Path, name: str) -> bool:
    """Whether the host's process has let go of its folder in time."""
    end = time.monotonic() + STOP_S
    while time.monotonic() < end:
        if _is_free(folder, name):
            return True
        Event().wait(_POLL_S)
    return False


def _is_free(folder: Path, name: str) -> bool:
    """Whether no process holds the host's folder."""
    try:
        FolderLock(folder / name).release()
    except ReconcilerError:
        return False
    return True


def _signal(folder: Path, name: str, number: signal.Signals) -> int | None:
    """To the process that serves this folder, and to no other that has its number by now."""
    pid = _pid(folder, name)
    if pid is None or _is_free(folder, name):
        return pid
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    return pid


def _pid(folder: Path, name: str) -> int | None:
    try:
        return int(_pid_file(folder, name).read_text())
    except (OSError, ValueError):
        return None


def _pid_file(folder: Path, name: str) -> Path:
    return folder / name / PID_FILE
