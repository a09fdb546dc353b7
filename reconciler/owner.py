"""Who holds a job: a text that tells later whether that process still lives.

A process id alone is not enough, as it is given out again: the text also holds when the process
began, counted from a boot that has an id. Nor is the name of the host: two computers or containers
may be called alike, so the text says on which of them the id can be looked up.
"""

import os
import socket
import sys
from enum import Enum, auto
from pathlib import Path

_PROC = Path("/proc")
_MACHINE_ID = Path("/etc/machine-id")
"""Source: machine-id(5)."""
_STOPPED = frozenset({"T", "t"})
_GONE = frozenset({"Z", "X"})


def this_owner() -> str:
    """This process, as `host:pid:place-start`."""
    return f"{_host()}:{os.getpid()}:{_place()}-{_start(os.getpid()) or ''}"


class Life(Enum):
    """What can be known from here of an owner."""

    ALIVE = auto()
    """Its very process runs on this computer."""
    DEAD = auto()
    UNKNOWN = auto()
    """On another computer, or stopped: its lease decides."""


def life_of(owner: str) -> Life:
    """What can be known of an owner; a text that is no owner is dead."""
    match owner.split(":"):
        case [host, pid, origin] if host and pid.isdecimal():
            place, _, start = origin.partition("-")
        case _:
            return Life.DEAD
    if (host, place) != (_host(), _place()) or sys.platform == "win32":
        return Life.UNKNOWN
    if not _PROC.joinpath("self").exists():
        # the id may be another process's by now
        return Life.UNKNOWN if _exists(int(pid)) else Life.DEAD
    if _start(int(pid)) != start:
        return Life.DEAD
    return Life.UNKNOWN if _state(int(pid)) in _STOPPED else Life.ALIVE


def is_alive(owner: str) -> bool:
    """Whether an owner may still be at work; True when that cannot be known from here."""
    return life_of(owner) is not Life.DEAD


def _host() -> str:
    return socket.gethostname().replace(":", "_")


def _place() -> str:
    """Where process ids mean what they mean here; empty when the system does not tell.

    Source: pid_namespaces(7): processes see the same ids when this link is the same.
    """
    try:
        return (
            f"{_MACHINE_ID.read_text()[:8]}.{_PROC.joinpath('self/ns/pid').readlink().name[5:-1]}"
        )
    except OSError:
        return ""


def _start(pid: int) -> str | None:
    """When a process began; None when there is none, or the system does not tell."""
    try:
        boot = _PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    state, *fields = _stat(pid) or ["Z"]
    return None if state in _GONE else f"{boot[:8]}-{fields[18]}"


def _state(pid: int) -> str:
    return next(iter(_stat(pid)), "Z")


def _stat(pid: int) -> list[str]:
    """What proc(5) tells of a process from its state on; nothing when there is none.

    Source: proc(5): field 22 of stat is the start time in ticks since boot. The command in field 2
    may hold spaces and brackets, so fields are counted from the last closing one.
    """
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text(errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # POSIX only: on Windows this call would end the process
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
