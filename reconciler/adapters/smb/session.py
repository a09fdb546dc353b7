"""One authenticated connection to a file server, and the shares that were opened over it."""

import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from smbprotocol.connection import Connection  # type: ignore[import-untyped]
from smbprotocol.exceptions import (  # type: ignore[import-untyped]
    SMBConnectionClosed,
    SMBException,
)
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

from reconciler.adapters.smb.errors import CannotConnectError, logging_in
from reconciler.adapters.unc import UncPath
from reconciler.errors import HostRefusedError
from reconciler.model.ranges import ByteRange

CONNECT_S: Final = 10
ANSWER_S: Final = 30
"""Longest wait for one answer."""
CLEANUP_S: Final = 5
"""Longest wait for an answer that changes nothing for us."""
READ_BYTES: Final = 1 << 20
"""One request; larger ones are slower.

Source: reference/psrp-smb.md §5.
"""
UNDER_WAY: Final = 4
LEAST_READ_BYTES: Final = 1 << 16
"""Source: [MS-SMB2] 2.2.4: MaxReadSize is at least 65,536."""
_CREDIT_BYTES: Final = 1 << 16
_WANTED_CREDITS: Final = 128
# They tell of each connection that a server cuts; that is raised as an error of ours.
for _module in ("connection", "transport"):
    logging.getLogger(f"smbprotocol.{_module}").setLevel(logging.CRITICAL)

_ANYBODY: Final = (
    ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
)
"""Nobody is kept from anything by our reading."""


@dataclass(frozen=True, slots=True)
class SmbServer:
    """Where a file server answers, and as whom we ask."""

    name: str
    """What paths call it."""
    address: str
    port: int
    user: str = ""
    """Empty: whoever this process is for Kerberos."""


class _BoundedConnection(Connection):  # type: ignore[misc]
    """Waits for no answer longer than it says; smbprotocol itself would wait for ever."""

    answer_s: float | None = None
    """Instead of ANSWER_S."""

    def receive(
        self,
        request: Any,
        wait: bool = True,  # noqa: FBT001, FBT002 (smbprotocol's signature)
        timeout: float | None = None,
        resolve_symlinks: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        """The answer to a request."""
        try:
            within = timeout or self.answer_s or ANSWER_S
            return super().receive(request, wait, within, resolve_symlinks)
        except SMBException as error:
            if request.response_event.is_set():
                raise
            raise TimeoutError(str(error)) from error


class SmbFileHandle:
    """One open file; its size is what it was when it was opened."""

    def __init__(self, opened: Open, read_bytes: int) -> None:
        self._open = opened
        self._connection = opened.connection
        self._session_id = opened.tree_connect.session.session_id
        self._tree_id = opened.tree_connect.tree_connect_id
        self.read_bytes = read_bytes
        self.size = int(opened.end_of_file)

    def fetched(self, reads: Sequence[ByteRange]) -> Iterator[bytes]:
        """The bytes of each read, in order; the next ones are under way meanwhile.

        Shape: exactly as long as asked; each read is at most `read_bytes` long.
        """
        waiting: deque[tuple[ByteRange, Any, Any]] = deque()
        for this in reads:
            while len(waiting) >= UNDER_WAY or (waiting and not self._can_ask(this)):
                yield self._received(*waiting.popleft())
            message, receive = self._open.read(
                this.start, this.length, min_length=this.length, send=False
            )
            waiting.append((this, self._sent(message), receive))
        while waiting:
            yield self._received(*waiting.popleft())

    def _can_ask(self, this: ByteRange) -> bool:
        """Whether the server has granted us enough for one more request."""
        window = self._connection.sequence_window
        granted = int(window["high"]) - int(window["low"])
        return granted >= max(1, -(-this.length // _CREDIT_BYTES))

    def _sent(self, message: Any) -> Any:
        return self._connection.send(
            message, self._session_id, self._tree_id, credit_request=_WANTED_CREDITS
        )

    def _received(self, this: ByteRange, request: Any, receive: Any) -> bytes:
        data = bytes(receive(request))
        if len(data) != this.length:
            raise SMBException(f"{len(data)} bytes instead of {this.length}")
        return data


class SmbSession:
    """One connection, logged in."""

    def __init__(self, server: SmbServer, password: str) -> None:
        """Connect and log in.

        Raises:
            CannotConnectError: Nothing answers there.
            LoginFailedError: The server does not take our account.
        """
        self._server = server
        self._trees: dict[str, TreeConnect] = {}
        self._connection = _BoundedConnection(uuid.uuid4(), server.address, server.port)
        try:
            self._connect()
            self._session = self._logged_in(password)
        except BaseException:
            self.cut()
            raise

    def _connect(self) -> None:
        try:
            self._connection.connect(timeout=CONNECT_S)
        except (ValueError, OSError, SMBConnectionClosed) as error:
            raise CannotConnectError(str(error)) from error

    def _logged_in(self, password: str) -> Session:
        session = Session(
            self._connection,
            self._server.user or None,
            password or None,
            require_encryption=False,  # the server, or a share, may still ask for it
            hostname_override=self._server.name,
        )
        logging_in(session.connect)
        return session

    @contextlib.contextmanager
    def opened(self, parts: UncPath) -> Iterator[SmbFileHandle]:
        """A file, open until the block ends."""
        tree = self.tree(parts.share)
        whole = f"{parts.server}\\{parts.share}\\{parts.file}"
        file = Open(tree, whole if tree.is_dfs_share else parts.file)
        file.create(
            ImpersonationLevel.Impersonation,
            FilePipePrinterAccessMask.FILE_READ_DATA,
            FileAttributes.FILE_ATTRIBUTE_NORMAL,
            _ANYBODY,
            CreateDisposition.FILE_OPEN,
            CreateOptions.FILE_NON_DIRECTORY_FILE,
        )
        yield SmbFileHandle(file, self.read_bytes())
        file.close()  # whoever sees an exception ends the whole session

    def close(self) -> None:
        """Log off, if the server still listens; never raises."""
        self._connection.answer_s = CLEANUP_S
        with contextlib.suppress(Exception):
            self._connection.disconnect(close=True, timeout=CLEANUP_S)
        self.cut()

    def cut(self) -> None:
        """Close the connection without a word."""
        with contextlib.suppress(Exception):
            self._connection.disconnect(close=False)

    def tree(self, share: str) -> TreeConnect:
        """A share, connected to when it is first asked for."""
        key = share.casefold()
        if key not in self._trees:
            tree = TreeConnect(self._session, f"\\\\{self._server.name}\\{share}")
            tree.connect()
            self._trees[key] = tree
        return self._trees[key]

    def read_bytes(self) -> int:
        """The best size of one request.

        Raises:
            HostRefusedError: The server allows less than any may.
        """
        most = int(self._connection.max_read_size or 0)
        if most < LEAST_READ_BYTES:
            raise HostRefusedError(
                f"the file server {self._server.name} lets nobody read more than {most} bytes",
                hint="check that an SMB server of version 2 or 3 answers there",
                host=self._server.name,
            )
        return min(READ_BYTES, most if self._connection.supports_multi_credit else _CREDIT_BYTES)
