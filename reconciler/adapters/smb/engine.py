"""The READ engine: files of one share opened, read in a pipeline and closed, by one thread.

It works over a connection that smbprotocol negotiated and a session that it logged in, and shares
their message ids and credits. Requests are bytes, answers land in one buffer; nothing else is made
for a message.
"""

import struct
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from smbprotocol.exceptions import (  # type: ignore[import-untyped]
    SMBException,
    SMBResponseException,
)
from smbprotocol.header import NtStatus, SMB2HeaderResponse  # type: ignore[import-untyped]

from reconciler.adapters.smb.messages import (
    CLOSE,
    CREATE,
    CREDIT_BYTES,
    HEADER_BYTES,
    IS_ANSWER,
    READ,
    Cost,
    Head,
    OpenedFile,
    Place,
    close_request,
    create_request,
    created,
    header,
    read_data,
    read_request,
)
from reconciler.adapters.smb.pace import Pace
from reconciler.adapters.smb.pumped import PumpedConnection
from reconciler.adapters.smb.sealing import TAG_BYTES, TRANSFORM, Encryption, sealing
from reconciler.model.ranges import ByteRange

WINDOW_BYTES: Final = 8 << 20
"""Asked for and not yet here."""
WINDOW_REQUESTS: Final = 32
WANTED_CREDITS: Final = 2 * WINDOW_BYTES // CREDIT_BYTES
_BESIDE_DATA_BYTES: Final = 1 << 12
"""Headers, and answers that are no data."""
_FRAME: Final = struct.Struct(">I")


class Engine:
    """Reads files of one share. Whoever sees an exception ends the whole session."""

    def __init__(self, connection: PumpedConnection, tree: Any, read_bytes: int) -> None:
        session = tree.session
        self._connection = connection
        self._window: dict[str, int] = connection.sequence_window
        self._sealing = sealing(connection, session, tree)
        is_signed = not isinstance(self._sealing, Encryption)
        self._place = Place(
            session.session_id, tree.tree_connect_id, bool(tree.is_dfs_share), is_signed
        )
        self._room = bytearray(read_bytes + _BESIDE_DATA_BYTES + TRANSFORM.size + TAG_BYTES)
        self._most = len(self._room) - TAG_BYTES
        self._unclosed: set[int] = set()
        """Closings whose answers nobody has waited for."""

    def open(self, path: str) -> OpenedFile:
        """A file by its path on the share.

        Raises:
            SMBResponseException: The server does not open it.
        """
        message_id = self._send(CREATE, create_request(path))
        return created(self._answer_to({message_id})[1])

    def close(self, file: OpenedFile) -> None:
        """Close a file; the answer is taken when the next one is."""
        self._unclosed.add(self._send(CLOSE, close_request(file.file_id)))

    def settle(self) -> None:
        """Wait for answers that nobody has waited for: what was closed is closed now."""
        while self._unclosed:
            head, _ = self._taken(time.monotonic() + self._connection.answer_within_s)
            self._unclosed.discard(head.message_id)

    def affordable_bytes(self) -> int:
        """The longest read that what is granted now pays for."""
        return max(1, self._granted()) * CREDIT_BYTES

    def read(
        self, file_id: bytes, reads: Sequence[ByteRange], pace: Pace | None = None
    ) -> Iterator[memoryview]:
        """The bytes of each read in order, the next ones under way; each right until the next.

        Shape: each as long as asked.

        Raises:
            SMBResponseException: The server gives an error instead.
        """
        asked: dict[int, int] = {}
        early: dict[int, bytes] = {}
        waiting = deque(enumerate(reads))
        for index in range(len(reads)):
            while index not in early:
                self._ask(file_id, waiting, asked, pace)
                message_id, answer = self._answer_to(asked.keys())
                found, data = asked.pop(message_id), read_data(answer)
                if len(data) != reads[found].length:
                    raise SMBException(f"{len(data)} bytes instead of {reads[found].length}")
                if found == index:
                    yield data
                    break
                early[found] = bytes(data)
            else:
                yield memoryview(early.pop(index))

    def _ask(
        self,
        file_id: bytes,
        waiting: deque[tuple[int, ByteRange]],
        asked: dict[int, int],
        pace: Pace | None,
    ) -> None:
        """Send as many requests as window and credits allow, in one go."""
        frames = []
        if not waiting or len(asked) > _most_under_way(waiting[0][1]) // 2:
            return  # many requests at once cost little more than one
        while waiting and self._may_ask(waiting[0][1], len(asked)):
            index, this = waiting.popleft()
            body = read_request(file_id, this.start, this.length)
            message_id, frame = self._framed(READ, body, _charge(this.length))
            asked[message_id] = index
            if pace is not None:
                pace.take(this.length)
                self._connection.send_bytes(frame)
            frames.append(frame)
        if frames and pace is None:
            self._connection.send_bytes(b"".join(frames))
        elif not asked:
            raise SMBException("the server grants too little to read with")

    def _may_ask(self, this: ByteRange, under_way: int) -> bool:
        return under_way < _most_under_way(this) and self._granted() >= _charge(this.length)

    def _granted(self) -> int:
        return self._window["high"] - self._window["low"]

    def _send(self, command: int, body: bytes) -> int:
        message_id, frame = self._framed(command, body, 1)
        self._connection.send_bytes(frame)
        return message_id

    def _framed(self, command: int, body: bytes, charge: int) -> tuple[int, bytes]:
        if self._granted() < charge:
            raise SMBException("the server grants too little to ask with")
        message_id = self._window["low"]
        self._window["low"] += charge
        wanted = max(charge, WANTED_CREDITS - self._granted())
        message = header(self._place, command, message_id, Cost(charge, wanted)) + body
        sealed = self._sealing.sealed(message, message_id)
        return message_id, _FRAME.pack(len(sealed)) + sealed

    def _answer_to(self, wanted: Collection[int]) -> tuple[int, memoryview]:
        """The next answer to any of some requests, which is no error."""
        ends = time.monotonic() + self._connection.answer_within_s
        while True:
            head, answer = self._taken(ends)
            if head.message_id in self._unclosed:
                self._unclosed.discard(head.message_id)
            elif head.message_id not in wanted:
                raise SMBException("an answer to nothing that was asked")
            elif head.status:
                raise _refusal(answer)
            else:
                return head.message_id, answer

    def _taken(self, ends: float) -> tuple[Head, memoryview]:
        """The next final answer; credits are counted."""
        while True:
            length = self._connection.receive_into(self._room, ends)
            answer = self._sealing.opened(self._room, length)
            if len(answer) < HEADER_BYTES:
                raise SMBException("an answer that is cut short")
            head = Head.of(answer)
            if not head.flags & IS_ANSWER:
                raise SMBException("a request by the server")
            self._window["high"] += head.credits
            if head.status != NtStatus.STATUS_PENDING:
                return head, answer


def _most_under_way(this: ByteRange) -> int:
    return max(1, min(WINDOW_REQUESTS, WINDOW_BYTES // this.length))


def _charge(length: int) -> int:
    return max(1, -(-length // CREDIT_BYTES))


def _refusal(answer: memoryview) -> SMBResponseException:
    parsed = SMB2HeaderResponse()
    parsed.unpack(bytes(answer))
    return SMBResponseException(parsed)
