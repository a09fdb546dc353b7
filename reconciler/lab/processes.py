"""Start, find and stop the processes of a lab. Each host is a process of its own."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

from reconciler.errors import HostUnreachableError, ReconcilerError, SettingsError
from reconciler.lab.control import ControlClient, host_names
from reconciler.lab.file_server import file_server_names
from reconciler.lab.files import FolderLock
from reconciler.lab.launch import (
    BARE,
    POWERSHELL,
    SMB_PORT_FILE,
    TLS_PORT_FILE,
    command,
    note_engine,
    noted_engine,
    noted_port,
)

ACCOUNT: Final = "LAB\\reconciler"
PASSWORD_FILE: Final = "password"  # noqa: S105 (where it is, not what it is)
ADMINISTRATOR: Final = "LAB\\Administrator"
ADMINISTRATOR_PASSWORD_FILE: Final = "administrator-password"  # noqa: S105 (as above)
"""Of who may install the agent on bare hosts."""
PID_FILE: Final = "pid"
ADDRESS_FILE: Final = "address"
ADDRESSES: Final = {
    "hv1": ("127.0.1.1", 5985),
    "hv2": ("127.0.1.2", 5985),
    "hv3": ("127.0.1.3", 5985),
    "hvc1": ("127.0.1.4", 5985),
    "hvc2": ("127.0.1.5", 5985),
    "files1": ("127.0.1.9", 5985),
}
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
    tls_port: int = 0
    smb_port: int = 0
    """Ports of HTTPS and of SMB, where there are any."""


def up(
    folder: Path,
    addresses: Mapping[str, tuple[str, int]] | None = None,
    of: str = "",
    engine: str = "",
) -> None:
    """Make the lab if it is not there, and start every host that is not running.

    `of` names what a new lab consists of: `two-hosts`, which is the default, or `full`; `engine`
    what answers the calls to the agents, as before if it is left out.

    Raises:
        SettingsError: A host did not start, and the message has the end of its log; or the lab that
            is there is another one; or the engine is not here, or another one runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if engine:
        _choose(folder, engine)
    for name in (PASSWORD_FILE, ADMINISTRATOR_PASSWORD_FILE):
        _ensure_password(folder / name)
    if of or not host_names(folder):
        from reconciler.lab.kinds import make_lab  # noqa: PLC0415 (slow, and rarely needed)

        make_lab(folder, of)
    start(folder, _names(folder), addresses)


def start(
    folder: Path,
    names: Sequence[str],
    addresses: Mapping[str, tuple[str, int]] | None = None,
) -> None:
    """Start those of some hosts that are not running.

    Raises:
        SettingsError: A host did not start; the message has the end of its log.
    """
    waiting = [
        (name, _start(folder, name, *_address(folder, addresses, name)))
        for name in names
        if not _is_running(folder, name)
    ]
    for name, process in waiting:
        _wait_until_ready(folder, name, process)


def down(folder: Path) -> tuple[str, ...]:
    """Stop every host that runs; which ones. Their state stays."""
    running = [name for name in _names(folder) if _is_running(folder, name)]
    pids = {name: _signal(folder, name, signal.SIGTERM) for name in running}
    for name, pid in pids.items():
        _wait_for_end(folder, name, pid)
    return tuple(running)


def stop(folder: Path, name: str) -> None:
    """Stop one host if it runs."""
    _wait_for_end(folder, name, _signal(folder, name, signal.SIGTERM))


def status(
    folder: Path, addresses: Mapping[str, tuple[str, int]] | None = None
) -> tuple[HostStatus, ...]:
    """Every host and file server of the lab."""
    found = []
    for name in _names(folder):
        address, port = _address(folder, addresses, name)
        machines = _machines(folder, name)
        host = HostStatus(
            name,
            address,
            port,
            machines is not None,
            machines or (),
            tls_port=noted_port(folder / name / TLS_PORT_FILE),
            smb_port=noted_port(folder / name / SMB_PORT_FILE),
        )
        found.append(host)
    return tuple(found)


def _choose(folder: Path, engine: str) -> None:
    """The engine for hosts that start from now on; none that runs may have another one."""
    if engine in {POWERSHELL, BARE}:
        from reconciler.lab.powershell.session import required_pwsh  # noqa: PLC0415 (rarely needed)

        required_pwsh()
    running = [name for name in host_names(folder) if _is_running(folder, name)]
    if running and noted_engine(folder) != engine:
        raise SettingsError(
            f"{', '.join(running)} run with the engine {noted_engine(folder)}, not {engine}",
            hint="first: reconciler lab down",
        )
    note_engine(folder, engine)


def _names(folder: Path) -> tuple[str, ...]:
    """What has a process: file servers, and hosts."""
    return (*file_server_names(folder), *host_names(folder))


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


def _wait_for_end(folder: Path, name: str, pid: int | None) -> None:
    if not _wait_until_free(folder, name):
        _signal(folder, name, signal.SIGKILL)
        _wait_until_free(folder, name)
    _reap(pid)


def _address(
    folder: Path, addresses: Mapping[str, tuple[str, int]] | None, name: str
) -> tuple[str, int]:
    """As given; else where the host was last, or what the committed policies say."""
    if addresses is None:
        addresses = ADDRESSES | _last_address(folder, name)
    if name in addresses:
        return addresses[name]
    raise SettingsError(
        f"the lab's folder holds a host {name}, which no address is known for",
        hint=f"the standard lab has {', '.join(sorted(addresses))}: name another folder",
    )


def _last_address(folder: Path, name: str) -> dict[str, tuple[str, int]]:
    try:
        address, port = (folder / name / ADDRESS_FILE).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return {}
    return {name: (address, int(port))}


def _ensure_password(path: Path) -> None:
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(24) + "\n")


def _start(folder: Path, name: str, address: str, port: int) -> subprocess.Popen[bytes]:
    (folder / name / ADDRESS_FILE).write_text(f"{address} {port}\n", encoding="utf-8")
    with (folder / name / "host.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 (ourselves, with words of our own)
            command(folder, name, address, port),
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
