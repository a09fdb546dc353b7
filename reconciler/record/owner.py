"""Who holds a job: a text that tells later whether that process still lives.

A process id alone is not enough, as it is given out again: the text also holds when the process
began, counted from a boot that has an id.
"""

import os
import socket
import sys
from pathlib import Path

_PROC = Path("/proc")


def this_owner() -> str:
    """This process, as `host:pid:start`."""
    return f"{_host()}:{os.getpid()}:{_start(os.getpid()) or '-'}"


def is_alive(owner: str) -> bool:
    """Whether an owner may still be at work; True when that cannot be known from here.

    Then its lease decides. A text that is no owner is dead.
    """
    match owner.split(":"):
        case [host, pid, start] if host and pid.isdecimal():
            pass
        case _:
            return False
    if host != _host() or sys.platform == "win32":
        return True
    if not _PROC.joinpath("self").exists():
        return _exists(int(pid))
    return _start(int(pid)) == start


def _host() -> str:
    return socket.gethostname().replace(":", "_")


def _start(pid: int) -> str | None:
    """When a process began; None when there is none, or the system does not tell.

    Source: proc(5): field 22 of stat is the start time in ticks since boot. The command in field 2
    may hold spaces and brackets, so fields are counted from the last closing one.
    """
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text(errors="replace")
        boot = _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    is_gone = state in {"Z", "X"}
    return None if is_gone else f"{boot[:8]}-{fields[18]}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # POSIX only: on Windows this call would end the process
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
