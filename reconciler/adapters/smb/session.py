"""One authenticated connection to a file server, and the shares that were opened over it."""

import contextlib
import logging
import uuid
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from smbprotocol import Dialects  # type: ignore[import-untyped]
from smbprotocol.exceptions import SMBConnectionClosed  # type: ignore[import-untyped]
from smbprotocol.session import Session  # type: ignore[import-untyped]
from smbprotocol.tree import TreeConnect  # type: ignore[import-untyped]

from reconciler.adapters.smb.engine import Engine
from reconciler.adapters.smb.errors import CannotConnectError, logging_in
from reconciler.adapters.smb.messages import CREDIT_BYTES, OpenedFile
from reconciler.adapters.smb.pace import Pace
from reconciler.adapters.smb.pumped import CONNECT_S, PumpedConnection
from reconciler.errors import HostRefusedError
from reconciler.model.ranges import ByteRange
from reconciler.model.unc import UncPath

CLEANUP_S: Final = 5
"""Longest wait for an answer that changes nothing for us."""
READ_BYTES: Final = 1 << 20
"""One request; larger ones are slower.

Source: reference/psrp-smb.md §5.
"""
LEAST_READ_BYTES: Final = 1 << 16
"""Source: [MS-SMB2] 2.2.4: MaxReadSize is at least 65,536."""
# They tell of each connection that a server cuts; that is raised as an error of ours.
for _module in ("connection", "transport"):
    logging.getLogger(f"smbprotocol.{_module}").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class SmbServer:
    """Where a file server answers, and as whom we ask."""

    name: str
    """What paths call it."""
    address: str
    port: int
    user: str = ""
    """Empty: whoever this process is for Kerberos."""
    authentication: str = "negotiate"
    """Or 'kerberos' or 'ntlm', and nothing else then."""
    prefers_encryption: bool = False
    """Where the server can, though it does not ask for it."""
    pace: Pace | None = None
    """How fast may be read from it; shared by all who read there."""


class SmbFileHandle:
    """One open file, as it was when it was opened."""

    def __init__(
        self, engine: Engine, opened: OpenedFile, read_bytes: int, pace: Pace | None
    ) -> None:
        self._engine = engine
        self._opened = opened
        self._pace = pace
        self.read_bytes = read_bytes
        self.size = opened.size
        self.version = (opened.size, opened.created, opened.written)
        """The same as long as nobody has written to it or put another in its place."""

    def fetched(self, reads: Sequence[ByteRange]) -> Iterator[memoryview]:
        """The bytes of each read, in order; the next ones are under way meanwhile.

        Shape: each exactly as long as asked, and right until the next one is taken; a read is at
        most `read_bytes` long.
        """
        return self._engine.read(self._opened.file_id, reads, self._pace)


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
        self._engines: dict[str, Engine] = {}
        self._last: Engine | None = None
        self._connection = PumpedConnection(uuid.uuid4(), server.address, server.port)
        # Whoever forgets a session must not leave its socket open.
        weakref.finalize(self, _cut, self._connection)
        try:
            self._connect()
            self._session = self._logged_in(password)
        except BaseException:
            self.cut()
            raise

    def _connect(self) -> None:
        try:
            self._connection.connect(timeout=CONNECT_S)
            self._connection.tune()
        except (ValueError, OSError, SMBConnectionClosed) as error:
            raise CannotConnectError(str(error)) from error

    def _logged_in(self, password: str) -> Session:
        session = Session(
            self._connection,
            self._server.user or None,
            password or None,
            require_encryption=self._encrypts(),  # else the server, or a share, may ask for it
            hostname_override=self._server.name,
            auth_protocol=self._server.authentication,
        )
        logging_in(session.connect)
        return session

    def _encrypts(self) -> bool:
        """Encryption with AES-GCM is faster than signing with anything but AES-GMAC."""
        return (
            self._server.prefers_encryption
            and bool(self._connection.supports_encryption)
            and self._connection.dialect >= Dialects.SMB_3_0_0
        )

    @contextlib.contextmanager
    def opened(self, parts: UncPath) -> Iterator[SmbFileHandle]:
        """A file, open until the block ends."""
        engine = self._engine(parts.share)
        is_dfs = self.tree(parts.share).is_dfs_share
        whole = f"{parts.server}\\{parts.share}\\{parts.file}"
        file = engine.open(whole if is_dfs else parts.file)
        read_bytes = min(self.read_bytes(), engine.affordable_bytes())
        yield SmbFileHandle(engine, file, read_bytes, self._server.pace)
        engine.close(file)  # whoever sees an exception ends the whole session

    def handle(self, share: str, file_id: bytes, size: int) -> SmbFileHandle:
        """A file that was opened otherwise, to be read."""
        opened = OpenedFile(file_id, size, 0, 0)
        return SmbFileHandle(self._engine(share), opened, self.read_bytes(), self._server.pace)

    def _engine(self, share: str) -> Engine:
        """The engine for a share; no answer is under way to another one."""
        tree, key = self.tree(share), share.casefold()
        if key not in self._engines:
            self._engines[key] = Engine(self._connection, tree, self.read_bytes())
        if self._last is not self._engines[key]:
            self._settle()
        self._last = self._engines[key]
        return self._last

    def _settle(self) -> None:
        if self._last is not None:
            self._last.settle()

    def close(self) -> None:
        """Log off, if the server still listens; never raises."""
        self._connection.answer_s = CLEANUP_S
        with contextlib.suppress(Exception):
            self._settle()
            self._connection.disconnect(close=True, timeout=CLEANUP_S)
        self.cut()

    def cut(self) -> None:
        """Close the connection without a word."""
        _cut(self._connection)

    def tree(self, share: str) -> TreeConnect:
        """A share, connected to when it is first asked for."""
        key = share.casefold()
        if key not in self._trees:
            self._settle()
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
        return min(READ_BYTES, most if self._connection.supports_multi_credit else CREDIT_BYTES)


def _cut(connection: PumpedConnection) -> None:
    with contextlib.suppress(Exception):
        connection.disconnect(close=False)
