"""One PowerShell process for each shell, which speaks PSRP on its standard streams.

Source: reference/powershell.md §3. One line a message; a message that changes something is
acknowledged, and the process may take two of them in any order, so the next is written only after
the one before was.
"""

import base64
import re
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from reconciler.lab.wire.engine import (
    CTRL_C,
    TERMINATE,
    EngineError,
    EngineFactory,
    EngineGoneError,
    Output,
)
from reconciler.lab.wire.psrp import MAX_RECEIVED_BYTES

_POOL: Final = "00000000-0000-0000-0000-000000000000"
_LINE: Final = re.compile(
    rb"<(\w+) (?:Stream='\w+' )?PSGuid='([0-9a-fA-F-]{36})' ?/?>(?:([A-Za-z0-9+/=]*)</\w+>)?"
)
_PIPELINE_STATE: Final = 0x00041006
"""Type of the message that ends a pipeline. Source: [MS-PSRP] 2.2.1."""
_HEADER_BYTES: Final = 21
_TYPE: Final = struct.Struct("<I")
_START: Final = 1
_END: Final = 2
ACKNOWLEDGE_S: Final = 60.0
CLOSE_S: Final = 3.0


def powershell_engine(command: Sequence[str], environment: Mapping[str, str]) -> EngineFactory:
    """Engines that each start this command."""
    return lambda output: PowerShellEngine(output, command, environment)


@dataclass(slots=True)
class _Pipeline:
    """How much of one came in, and whether its last message goes out."""

    received_bytes: int = 0
    is_ending: bool = False


@dataclass(slots=True)
class _Acknowledged:
    """Waits for the answer to the last message."""

    wanted: str = ""
    has_ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def came(self, kind: str, guid: str) -> None:
        """An acknowledgement."""
        with self.changed:
            if self.wanted == f"{kind} {guid}":
                self.wanted = ""
                self.changed.notify_all()

    def end(self) -> None:
        """The process is gone."""
        with self.changed:
            self.has_ended = True
            self.changed.notify_all()

    def wait(self) -> None:
        """Until the last message was taken.

        Raises:
            EngineError: The process is gone, or does not answer.
        """
        with self.changed:
            taken = self.changed.wait_for(
                lambda: not self.wanted or self.has_ended, timeout=ACKNOWLEDGE_S
            )
            if self.has_ended:
                raise EngineGoneError("The PowerShell process is gone.")
            if not taken:
                raise EngineError("The PowerShell process does not answer.")


class PowerShellEngine:
    """One shell; its process ends with it, or when the lab does."""

    def __init__(
        self, output: Output, command: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self._output = output
        self._command = list(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._acknowledged = _Acknowledged()
        self._pipelines: dict[str, _Pipeline] = {}
        self._said: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()

    # --- ShellEngine

    def start(self, creation_xml: bytes) -> None:
        """Start the process, and give it the client's first message."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 (the one that the lab was told)
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        except OSError as error:
            raise EngineError(f"PowerShell does not start: {error}") from error
        for work in (self._read, self._deliver):
            threading.Thread(target=work, daemon=True).start()
        self._data(_POOL, creation_xml)

    def connect(self, connect_xml: bytes) -> bytes:
        """PowerShell on standard streams lets no other client take over."""
        raise EngineError(f"The shell cannot be connected to ({len(connect_xml)} bytes).")

    def command(self, command_id: str, first_fragment: bytes) -> None:
        """Begin a pipeline."""
        self._pipelines[command_id] = _Pipeline()
        self._say("Command", command_id)
        self.send(command_id, first_fragment)

    def send(self, command_id: str | None, fragment: bytes) -> None:
        """More for a pipeline, or for the pool."""
        if command_id is not None:
            if command_id not in self._pipelines:
                raise EngineError(f"no pipeline has the id {command_id}")
            pipeline = self._pipelines[command_id]
            pipeline.received_bytes += len(fragment)
            if pipeline.received_bytes > MAX_RECEIVED_BYTES:
                raise EngineError(
                    "The total data received from the remote client exceeded the allowed maximum "
                    f"of {MAX_RECEIVED_BYTES >> 20} MB."
                )
        self._data(command_id or _POOL, fragment)

    def signal(self, command_id: str, code: str) -> None:
        """Stop a pipeline, or forget it."""
        if code not in {TERMINATE, CTRL_C}:
            raise EngineError(f"the signal {code[:80]} is unknown")
        if code == TERMINATE:
            self._pipelines.pop(command_id, None)
        self._say("Close" if code == TERMINATE else "Signal", command_id)

    def close(self) -> None:
        """End the process."""
        process = self._process
        if process is None:
            return
        with suppress(EngineError):
            self._say("Close", _POOL, must_wait=False)
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # --- to the process

    def _data(self, guid: str, fragment: bytes) -> None:
        self._say("Data", guid, base64.b64encode(fragment))

    def _say(self, kind: str, guid: str, body: bytes = b"", *, must_wait: bool = True) -> None:
        stream = b" Stream='Default'" if kind == "Data" else b""
        head = b"<%b%b PSGuid='%b'" % (kind.encode(), stream, guid.lower().encode())
        line = head + (b">%b</%b>\n" % (body, kind.encode()) if body else b" />\n")
        with self._turn:
            if must_wait:
                self._acknowledged.wait()
            self._acknowledged.wanted = f"{kind}Ack {guid.upper()}"
            try:
                self._process.stdin.write(line)  # type: ignore[union-attr]
                self._process.stdin.flush()  # type: ignore[union-attr]
            except (OSError, ValueError) as error:
                raise EngineGoneError("The PowerShell process is gone.") from error

    # --- from the process, on two threads: acknowledgements never wait for a slow client

    def _read(self) -> None:
        with self._process.stdout as stream:  # type: ignore[union-attr]
            for line in stream:
                found = _LINE.match(line)
                if found is None:
                    continue
                kind, guid, body = found.groups()
                if kind == b"Data":
                    self._said.put((guid.decode().upper(), base64.b64decode(body or b"")))
                else:
                    self._acknowledged.came(kind.decode(), guid.decode().upper())
        self._acknowledged.end()
        self._said.put(None)

    def _deliver(self) -> None:
        while (said := self._said.get()) is not None:
            guid, fragment = said
            self._output.deliver(None if guid == _POOL else guid, fragment)
            pipeline = self._pipelines.get(guid)
            if pipeline is not None and _ends(pipeline, fragment):
                self._output.finished(guid)
        self._output.ended()


def _ends(pipeline: _Pipeline, fragment: bytes) -> bool:
    """Whether a fragment is the last of a pipeline.

    Source: [MS-PSRP] 2.2.4; a message begins with its destination and its type.
    """
    bits = fragment[_HEADER_BYTES - 5]
    if bits & _START:
        (kind,) = _TYPE.unpack_from(fragment, _HEADER_BYTES + 4)
        pipeline.is_ending = kind == _PIPELINE_STATE
    return pipeline.is_ending and bool(bits & _END)
