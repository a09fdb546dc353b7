"""What a repository says of itself: the object that is read before all others."""

from contextlib import suppress
from typing import Annotated, Final, Literal
from uuid import UUID, uuid4

import msgspec
from msgspec import Meta

from reconciler.blocks.document import Document, checked_line, from_bytes, to_bytes
from reconciler.blocks.layout import FORMAT_NAME, FORMAT_VERSION, HEADER_NAME
from reconciler.blocks.objects import Objects
from reconciler.errors import RepositoryError, RepositoryExistsError

DEFAULT_BLOCK_BYTES: Final = 64 << 10
DEFAULT_NODE_FAN_OUT: Final = 1024
_MOST_BYTES: Final = 64 << 10


class RepositoryHeader(Document, frozen=True, kw_only=True):
    """Facts that never change while the repository lives."""

    format: Literal["reconciler-repository"] = FORMAT_NAME
    version: Literal[1] = FORMAT_VERSION
    repository: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    block_bytes: Annotated[int, Meta(ge=512, le=4 << 20)]
    node_fan_out: Annotated[int, Meta(ge=2, le=1 << 16)]
    hash: Literal["sha256"] = "sha256"
    encryption: Literal["none", "aes-256-gcm"] = "none"

    def __post_init__(self) -> None:
        for value in (self.block_bytes, self.node_fan_out):
            if value & (value - 1):
                raise ValueError(f"{value} is not a power of two")

    @property
    def id(self) -> UUID:
        """What packs carry, so that one of another repository is never taken for ours."""
        return UUID(self.repository)

    @property
    def node_bytes(self) -> int:
        """Units: bytes."""
        return self.node_fan_out * 8


def new_header(*, block_bytes: int, node_fan_out: int, is_encrypted: bool) -> RepositoryHeader:
    """The header of a repository that is to be made."""
    return RepositoryHeader(
        repository=str(uuid4()),
        block_bytes=block_bytes,
        node_fan_out=node_fan_out,
        encryption="aes-256-gcm" if is_encrypted else "none",
    )


def require_none(objects: Objects) -> None:
    """Make sure that a store is not a repository yet.

    Raises:
        RepositoryExistsError: It is one.
    """
    with suppress(FileNotFoundError):
        objects.size(HEADER_NAME)
        raise _already()


def create_header(objects: Objects, header: RepositoryHeader) -> None:
    """Make a repository out of an empty store.

    Raises:
        RepositoryExistsError: There is one already.
    """
    try:
        objects.create(HEADER_NAME, to_bytes(header))
    except FileExistsError as error:
        raise _already() from error


def read_header(objects: Objects) -> RepositoryHeader:
    """The header of the repository in a store.

    Raises:
        RepositoryError: There is none, or it is of a version that we do not know.
        BlockDamagedError: It does not match its checksum.
    """
    try:
        data = objects.get(HEADER_NAME, _MOST_BYTES)
    except FileNotFoundError as error:
        raise RepositoryError(
            f"there is no repository here: {HEADER_NAME} is missing",
            hint="check that the right volume is mounted, or create a repository",
        ) from error
    _check_version(checked_line(data, HEADER_NAME))
    return from_bytes(RepositoryHeader, data, HEADER_NAME)


def _already() -> RepositoryExistsError:
    return RepositoryExistsError(
        "there is a repository here already",
        hint="open it, or choose an empty folder for a new one",
    )


def _check_version(line: bytes) -> None:
    """Before all else: another version may have other fields."""
    try:
        content = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return
    if not isinstance(content, dict) or content.get("format") != FORMAT_NAME:
        raise RepositoryError(
            f"{HEADER_NAME} is not the header of a {FORMAT_NAME}",
            hint="check that the right volume is mounted",
        )
    version = content.get("version")
    if version == FORMAT_VERSION:
        return
    is_newer = isinstance(version, int) and version > FORMAT_VERSION
    raise RepositoryError(
        f"the repository has format version {str(version)[:20]}, "
        f"this program knows version {FORMAT_VERSION}",
        hint="use a newer version of the program"
        if is_newer
        else "use the version of the program that wrote it, or begin a new repository",
    )
