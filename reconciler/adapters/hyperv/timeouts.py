"""How long a host is waited for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostTimeouts:
    """The longest waits for a connection, and for anything to come over it. Units: seconds."""

    connect_s: int = 10
    read_s: int = 30


USUAL = HostTimeouts()
