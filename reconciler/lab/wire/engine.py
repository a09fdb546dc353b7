"""The seam between the WSMan front end and whatever runs the commands: PSRP fragments, both ways.

A fragment is opaque here ([MS-PSRP] 2.2.4), so a PowerShell process that speaks PSRP on its
standard streams can stand behind the same front end as the engine in Python.
"""

from collections.abc import Callable
from typing import Protocol

TERMINATE = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/Terminate"
"""Source: [MS-WSMV] 2.2.4.38; sent when a command's results are no longer wanted."""
CTRL_C = "powershell/signal/ctrl_c"
"""Source: [MS-PSRP] 3.1.5.3.10; asks a running pipeline to stop."""


class EngineError(Exception):
    """The engine cannot take what it was given; the request is answered with a fault."""


class EngineGoneError(EngineError):
    """The engine has ended by itself: its shell is gone."""


class Output(Protocol):
    """Where an engine puts what it has to say. May be called from any thread."""

    def deliver(self, command_id: str | None, fragment: bytes) -> None:
        """One fragment for a command, or for the pool. Waits while too much is unread."""
        ...

    def finished(self, command_id: str) -> None:
        """Nothing more comes from this command."""
        ...

    def ended(self) -> None:
        """The engine is gone by itself, and the shell with it."""
        ...


class ShellEngine(Protocol):
    """One shell. Ids are upper-case GUID texts; every call may raise EngineError."""

    def start(self, creation_xml: bytes) -> None:
        """Begin with the fragments of the client's first message."""
        ...

    def connect(self, connect_xml: bytes) -> bytes:
        """Let another client take over; the fragments that answer it."""
        ...

    def command(self, command_id: str, first_fragment: bytes) -> None:
        """A new pipeline."""
        ...

    def send(self, command_id: str | None, fragment: bytes) -> None:
        """More fragments for a pipeline, or for the pool."""
        ...

    def signal(self, command_id: str, code: str) -> None:
        """TERMINATE or CTRL_C."""
        ...

    def close(self) -> None:
        """Stop everything; never raises."""
        ...


EngineFactory = Callable[[Output], ShellEngine]
