"""What a store does on a share: whole files written, read, renamed, listed and removed.

Every call leaves nothing open and nothing under way, or raises; who sees an exception ends the
whole session.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from enum import Enum, auto
from typing import Any, Final

from smbprotocol.exceptions import (  # type: ignore[import-untyped]
    DeletePending,
    FileIsADirectory,
    NoMoreFiles,
    NoSuchFile,
    ObjectNameCollision,
    ObjectNameNotFound,
    ObjectPathNotFound,
    SMBException,
    StatusNotADirectory,
)
from smbprotocol.file_info import (  # type: ignore[import-untyped]
    FileInformationClass,
    FileRenameInformation,
)
from smbprotocol.open import (  # type: ignore[import-untyped]
    CreateDisposition,
    CreateOptions,
    DirectoryAccessMask,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    QueryDirectoryFlags,
    ShareAccess,
    SMB2QueryDirectoryResponse,
    SMB2SetInfoRequest,
)

from reconciler.adapters.smb.listing import LINK, Entry, parsed
from reconciler.adapters.smb.session import SmbSession
from reconciler.model.ranges import ByteRange, pieces

WRITE_BYTES: Final = 1 << 20
UNDER_WAY: Final = 4
MOST_ENTRIES: Final = 1_000_000
"""In one folder; ours have a thousand, but for those of manifests."""
_LISTED_BYTES: Final = 1 << 16
_CREDIT_BYTES: Final = 1 << 16
_WANTED_CREDITS: Final = 128
_MISSING: Final = (
    ObjectNameNotFound,
    ObjectPathNotFound,
    NoSuchFile,
    DeletePending,
    FileIsADirectory,
    StatusNotADirectory,
)
_ANYBODY: Final = (
    ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
)
_FILE: Final = CreateOptions.FILE_NON_DIRECTORY_FILE
_FOLDER: Final = CreateOptions.FILE_DIRECTORY_FILE


class Renamed(Enum):
    """What became of a new name for a file."""

    DONE = auto()
    NO_FILE = auto()
    NO_FOLDER = auto()
    TAKEN = auto()
    """There is a file of this name, which may not be replaced."""


class Share:
    r"""Files by their path below one share, such as backup\packs\0001."""

    def __init__(self, session: SmbSession, name: str) -> None:
        self._tree = session.tree(name)
        self._whole_name = self._tree.share_name.lstrip("\\")
        self._session = session
        self._name = name

    def look(self, path: str) -> Entry | None:
        """A file, or None if there is none of this name."""
        access = FilePipePrinterAccessMask.FILE_READ_ATTRIBUTES
        with self._opened(path, access, _FILE) as file:
            if file is None:
                return None
            name = path.rpartition("\\")[2]
            is_link = bool(file.file_attributes & LINK)
            written_at = file.last_write_time.replace(tzinfo=UTC)
            return Entry(name, int(file.end_of_file), written_at, is_folder=False, is_link=is_link)

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder of this name."""
        access = DirectoryAccessMask.FILE_READ_ATTRIBUTES
        with self._opened(path, access, _FOLDER) as folder:
            return folder is not None

    def make_folder(self, path: str) -> bool:
        """Make a folder in one that exists; False if there is none. One that exists is left."""
        access = DirectoryAccessMask.FILE_READ_ATTRIBUTES
        how = CreateDisposition.FILE_OPEN_IF
        with self._opened(path, access, _FOLDER, how) as folder:
            return folder is not None

    def read(self, path: str, start: int, length: int | None) -> bytes | None:
        """Bytes of a file, fewer only at its end; None if there is no such file."""
        with self._opened(path, FilePipePrinterAccessMask.FILE_READ_DATA, _FILE) as file:
            if file is None:
                return None
            size = int(file.end_of_file)
            handle = self._session.handle(self._name, bytes(file.file_id), size)
            wanted = handle.size - start if length is None else min(length, handle.size - start)
            reads = pieces(
                [ByteRange(start, start + wanted)] if wanted > 0 else [], handle.read_bytes
            )
            return b"".join(map(bytes, handle.fetched(list(reads))))

    def write(self, path: str, data: memoryview) -> bool:
        """Write a new file, down to the server's disk; False if its folder is not there.

        Raises:
            ObjectNameCollision: There is one of this name.
        """
        access = FilePipePrinterAccessMask.FILE_WRITE_DATA
        with self._opened(path, access, _FILE, CreateDisposition.FILE_CREATE) as file:
            if file is None:
                return False
            self._send(file, data)
            file.flush()
            return True

    def rename(self, path: str, target: str, *, may_replace: bool) -> "Renamed":
        """Give a file another name, in one step; on return the name is on the disk too."""
        access = FilePipePrinterAccessMask.DELETE | FilePipePrinterAccessMask.FILE_WRITE_DATA
        with self._opened(path, access, _FILE) as file:
            if file is None:
                return Renamed.NO_FILE
            try:
                self._set_name(file, target, may_replace=may_replace)
            except (ObjectPathNotFound, ObjectNameNotFound):
                return Renamed.NO_FOLDER
            except ObjectNameCollision:
                return Renamed.TAKEN
            file.flush()  # what the server writes for a file has its new name in it
            return Renamed.DONE

    def remove(self, path: str) -> bool:
        """Remove a file; False if there is none of this name."""
        options = _FILE | CreateOptions.FILE_DELETE_ON_CLOSE
        with self._opened(path, FilePipePrinterAccessMask.DELETE, options) as file:
            return file is not None

    def entries(self, path: str) -> list[Entry]:
        """What is in a folder, in the server's order; nothing when it is not there."""
        access = DirectoryAccessMask.FILE_LIST_DIRECTORY
        found: list[Entry] = []
        with self._opened(path, access, _FOLDER) as folder:
            if folder is None:
                return found
            flags = QueryDirectoryFlags.SMB2_RESTART_SCANS
            while True:
                try:
                    found += parsed(self._listed(folder, flags))
                except (NoMoreFiles, NoSuchFile):
                    return [each for each in found if each.name not in {".", ".."}]
                if len(found) > MOST_ENTRIES:
                    raise SMBException(f"a folder with more than {MOST_ENTRIES} files")
                flags = 0

    @contextmanager
    def _opened(
        self,
        path: str,
        access: int,
        options: int,
        how: int = CreateDisposition.FILE_OPEN,
    ) -> Iterator[Open | None]:
        """A file or folder, open until the block ends; None if it is not there."""
        whole = f"{self._whole_name}\\{path}"
        file = Open(self._tree, whole if self._tree.is_dfs_share else path)
        impersonation = ImpersonationLevel.Impersonation
        attributes = FileAttributes.FILE_ATTRIBUTE_NORMAL if options & _FILE else 0
        try:
            file.create(impersonation, access, attributes, _ANYBODY, how, options)
        except _MISSING:
            file = None
        yield file
        if file is not None:
            file.close()

    def _send(self, file: Open, data: memoryview) -> None:
        """Write all bytes; a few requests are under way at once."""
        connection = file.connection
        most = min(WRITE_BYTES, int(connection.max_write_size))
        step = most if connection.supports_multi_credit else min(most, _CREDIT_BYTES)
        waiting: deque[tuple[Any, Any, int]] = deque()
        for at in range(0, len(data), step):
            piece = bytes(data[at : at + step])
            while waiting and (len(waiting) >= UNDER_WAY or not _can_send(connection, len(piece))):
                _confirmed(*waiting.popleft())
            message, receive = file.write(piece, at, send=False)
            waiting.append((self._request(message), receive, len(piece)))
        while waiting:
            _confirmed(*waiting.popleft())

    def _request(self, message: Any) -> Any:
        return self._tree.session.connection.send(
            message,
            self._tree.session.session_id,
            self._tree.tree_connect_id,
            credit_request=_WANTED_CREDITS,
        )

    def _set_name(self, file: Open, target: str, *, may_replace: bool) -> None:
        name = FileRenameInformation()
        name["replace_if_exists"] = may_replace
        name["file_name"] = target.encode("utf-16-le")
        message = SMB2SetInfoRequest()
        message["info_type"] = name.INFO_TYPE
        message["file_info_class"] = name.INFO_CLASS
        message["file_id"] = file.file_id
        message["buffer"] = name.pack()
        file.connection.receive(self._request(message))

    def _listed(self, folder: Open, flags: int) -> bytes:
        """The next entries of a folder, as the server packs them."""
        kind = FileInformationClass.FILE_DIRECTORY_INFORMATION
        message, _ = folder.query_directory("*", kind, flags, 0, _LISTED_BYTES, send=False)
        answer = folder.connection.receive(self._request(message))
        response = SMB2QueryDirectoryResponse()
        response.unpack(answer["data"].get_value())
        return bytes(response["buffer"].get_value())


def _can_send(connection: Any, length: int) -> bool:
    """Whether the server has granted us enough for one more request."""
    window = connection.sequence_window
    granted = int(window["high"]) - int(window["low"])
    return granted >= max(1, -(-length // _CREDIT_BYTES))


def _confirmed(request: Any, receive: Any, length: int) -> None:
    written = int(receive(request))
    if written != length:
        raise SMBException(f"{written} bytes instead of {length} were written")
