"""psrpcore's server side, with what it lacks: linear fragments, a failed state, bounded input."""

import struct
import uuid
from collections.abc import Iterator
from typing import Any, Final

from psrpcore import PSRPEvent, PSRPPayload, ServerPipeline, ServerRunspacePool, StreamType
from psrpcore._payload import PSRPMessage
from psrpcore.types import ErrorRecord, PSInvocationState, PSVersion

from reconciler.lab.wire.engine import EngineError

_HEADER = struct.Struct(">QQBI")
"""Object id, fragment id, start and end bits, length of the data.

Source: [MS-PSRP] 2.2.4.
"""
_START: Final = 1
_END: Final = 2


class Pool(ServerRunspacePool):
    """A runspace pool whose send buffer is drained in whole messages."""

    def __init__(self) -> None:
        version = {"PSVersion": PSVersion("5.1.20348.2849"), "PSEdition": "Desktop"}
        super().__init__({"PSVersionTable": version})

    def feed(
        self, fragments: bytes, pipeline_id: uuid.UUID | None = None
    ) -> list[PSRPEvent[Any, Any]]:
        """What some fragments of the client complete.

        Raises:
            EngineError: They cannot be understood, or come at the wrong time.
        """
        self.receive_data(PSRPPayload(fragments, StreamType.default, pipeline_id))
        events = []
        try:
            while (event := self.next_event()) is not None:
                events.append(event)
        except Exception as error:  # psrpcore raises whatever the bytes provoke in it
            self._receive_buffer.clear()
            raise EngineError(f"The PSRP message could not be processed: {error}") from error
        return events

    def drained(self) -> list[PSRPMessage]:
        """Everything that is to be sent, in order."""
        messages, self._send_buffer = self._send_buffer, []
        return messages

    def _process_message(self, message: PSRPMessage) -> PSRPEvent[Any, Any]:
        if b"<!" in message.data:
            raise EngineError("the message holds a markup declaration")
        return super()._process_message(message)


class Pipeline(ServerPipeline):
    """A pipeline that can begin silently, as on Windows, and fail."""

    def begin(self) -> None:
        """Mark it as running; Windows sends no message for that."""
        self.state = PSInvocationState.Running

    def fail(self, record: ErrorRecord) -> None:
        """End it with a terminating error."""
        self._change_state(PSInvocationState.Failed, record)


def fragments(message: PSRPMessage, most_bytes: int) -> Iterator[bytes]:
    """A message in pieces, in time proportional to its length.

    Units: `most_bytes` includes the header of 21 bytes.
    """
    data = memoryview(message.data)
    room = most_bytes - _HEADER.size
    starts = range(0, max(len(data), 1), room)
    for number, start in enumerate(starts):
        piece = data[start : start + room]
        bits = (_START if number == 0 else 0) | (_END if number == len(starts) - 1 else 0)
        yield _HEADER.pack(message.object_id, number, bits, len(piece)) + piece
