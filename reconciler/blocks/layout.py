"""Where things are in a repository: names of objects, and the parts of an address."""

import re
from typing import Final

from reconciler.errors import RepositoryError
from reconciler.model.names import DataSourceId, RecoveryPointId

FORMAT_NAME: Final = "reconciler-repository"
FORMAT_VERSION: Final = 1

SLOT_BITS: Final = 20
SEQUENCE_BITS: Final = 28
MOST_SLOTS: Final = 1 << SLOT_BITS
FIRST_SEQUENCE: Final = 1
END_SEQUENCE: Final = 1 << SEQUENCE_BITS
FIRST_WRITER: Final = 1
LAST_WRITER: Final = 0xFFFF
SHARD_BITS: Final = 10
"""Packs of one folder: a reader that looks for one pack lists 1,024 names, never all."""

HEADER_NAME: Final = "repository.json"
PACKS: Final = "packs"
MANIFESTS: Final = "manifests"
HEADS: Final = "heads"
WRITERS: Final = "writers"
KEYS: Final = "keys"
DRAFTS: Final = "drafts"
CONDEMNED: Final = "condemned"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PACK = re.compile(r"packs/([0-9a-f]{4})/([0-9a-f]{5})/([0-9a-f]{7})\.([0-9]{1,9})")


def pack_number(writer: int, sequence: int) -> int:
    """The number of a writer's pack; never 0, so no block has address 0."""
    if not FIRST_WRITER <= writer <= LAST_WRITER:
        raise ValueError(f"writer {writer} is not in {FIRST_WRITER}..{LAST_WRITER}")
    if not FIRST_SEQUENCE <= sequence < END_SEQUENCE:
        raise ValueError(f"sequence {sequence} is not in {FIRST_SEQUENCE}..{END_SEQUENCE - 1}")
    return writer << SEQUENCE_BITS | sequence


def writer_of(number: int) -> int:
    """Who wrote a pack."""
    return number >> SEQUENCE_BITS


def sequence_of(number: int) -> int:
    """A pack's place among those of its writer."""
    return number & (END_SEQUENCE - 1)


def shard_of(number: int) -> int:
    """The packs that share a folder share this number."""
    return number >> SHARD_BITS


def address_of(number: int, slot: int) -> int:
    """The address of one slot of one pack."""
    return number << SLOT_BITS | slot


def pack_of(address: int) -> int:
    """The number of the pack that an address points into."""
    return address >> SLOT_BITS


def slot_of(address: int) -> int:
    """The slot that an address points at."""
    return address & (MOST_SLOTS - 1)


def shard_folder(shard: int) -> str:
    """The folder of 1,024 packs of one writer."""
    number = shard << SHARD_BITS
    return f"packs/{writer_of(number):04x}/{sequence_of(number) >> SHARD_BITS:05x}"


def pack_name(number: int, generation: int) -> str:
    """The object name of one generation of a pack."""
    return f"{shard_folder(shard_of(number))}/{sequence_of(number):07x}.{generation}"


def parse_pack_name(name: str) -> tuple[int, int] | None:
    """Pack number and generation of an object; None for a name that no pack has."""
    if (match := _PACK.fullmatch(name)) is None:
        return None
    writer, sequence = int(match[1], 16), int(match[3], 16)
    if writer < FIRST_WRITER or sequence < FIRST_SEQUENCE:
        return None
    number, generation = pack_number(writer, sequence), int(match[4])
    return (number, generation) if pack_name(number, generation) == name else None


def checked_id(text: str) -> str:
    """An id that may be part of an object name.

    Raises:
        RepositoryError: Characters or a length that some store would not keep as they are.
    """
    if _ID.fullmatch(text) is None:
        raise RepositoryError(
            f"{text[:200]!r} cannot be part of an object's name in a repository",
            hint="ids are up to 128 letters, digits, dots, underscores and hyphens",
        )
    return text


def manifest_name(source: DataSourceId, point: RecoveryPointId) -> str:
    """The object that is a recovery point."""
    return f"{MANIFESTS}/{checked_id(source)}/{checked_id(point)}"


def head_name(source: DataSourceId) -> str:
    """The object that names the newest recovery point of a data source."""
    return f"{HEADS}/{checked_id(source)}"


def key_name(number: int) -> str:
    """A slot that opens the master key."""
    return f"{KEYS}/{number}"


def draft_name(source: DataSourceId) -> str:
    """The object that tells of a recovery point in the making."""
    return f"{DRAFTS}/{checked_id(source)}"


def condemned_name(writer: int) -> str:
    """The object that tells which blocks of a writer's packs are about to go."""
    return f"{CONDEMNED}/{writer}"


def writer_name(writer: int) -> str:
    """The object that grants a writer number, and keeps which sequences it has taken."""
    return f"{WRITERS}/{writer}"
