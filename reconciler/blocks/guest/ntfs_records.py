"""Records of an NTFS volume and their attributes, read strictly.

Source: the layouts as libfsntfs documents them (NTFS specification of the libyal project).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from reconciler.blocks.guest.bytes import NotUnderstood, fields, number

FILE_NAME: Final = 0x30
DATA: Final = 0x80
ATTRIBUTE_LIST: Final = 0x20
INDEX_ROOT: Final = 0x90
INDEX_ALLOCATION: Final = 0xA0

_END: Final = 0xFFFFFFFF
_STRIDE: Final = 512
_IN_USE: Final = 1
_MOST_ATTRIBUTES: Final = 256
_REFERENCE: Final = (1 << 48) - 1
_HEADER: Final = Struct("<IIBBHHH")
_MOST_RUN_FIELD: Final = 8
_HAS_NODE_BELOW: Final = 1
_IS_LAST: Final = 2
_VCN_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring clusters of an attribute; without a place they are a hole."""

    first: int | None
    count: int


class Runs:
    """The clusters of an attribute, in the order of its bytes."""

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self.all: list[Run] = []
        self._ends: list[int] = []
        self.add(runs)

    @property
    def clusters(self) -> int:
        """How many there are."""
        return self._ends[-1] if self._ends else 0

    def add(self, runs: Iterable[Run]) -> None:
        """Those of its next part."""
        for run in runs:
            self._ends.append(self.clusters + run.count)
            self.all.append(run)

    def since(self, cluster: int) -> Iterator[tuple[int, Run]]:
        """From the run that holds a cluster of the attribute, each with its first one."""
        for index in range(bisect_right(self._ends, cluster), len(self.all)):
            yield self._ends[index] - self.all[index].count, self.all[index]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute, or the part of one that its record holds."""

    kind: int
    name: str
    flags: int
    """Compressed, encrypted or sparse; 0 for a plain one."""
    content: bytes | None
    """None when it is kept in clusters."""
    first_vcn: int = 0
    size: int = 0
    """Units: bytes; of the whole attribute, in its first part."""
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A record of the table, and which use of it is meant."""

    record: int
    sequence: int


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A file of a folder, or the end of a node of its index."""

    file: Reference | None
    name: str
    child: int | None
    """First cluster, within the index, of the node with names before this one."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record in use."""

    sequence: int
    base: Reference
    """The record that this one extends; all zeros when none."""
    attributes: tuple[Attribute, ...]

    def of(self, kind: int, name: str = "") -> list[Attribute]:
        """Its attributes of a kind and name."""
        return [a for a in self.attributes if a.kind == kind and a.name == name]


def reference(value: int) -> Reference:
    """A reference from its stored form."""
    return Reference(value & _REFERENCE, value >> 48)


def repaired(data: bytes, signature: bytes) -> bytes:
    """A structure of several sectors with the last two bytes of each put back.

    Raises:
        NotUnderstood: A sector of it was not written with the others.
    """
    if data[:4] != signature:
        raise NotUnderstood(f"a record begins with {data[:4]!r} instead of {signature!r}")
    offset, count = number(data, 4, 2), number(data, 6, 2)
    if count != len(data) // _STRIDE + 1 or offset + 2 * count > _STRIDE:
        raise NotUnderstood("a record has an impossible update sequence")
    result = bytearray(data)
    mark = data[offset : offset + 2]
    for index in range(1, count):
        end = index * _STRIDE
        if data[end - 2 : end] != mark:
            raise NotUnderstood("a record was written in part")
        result[end - 2 : end] = data[offset + 2 * index : offset + 2 * index + 2]
    return bytes(result)


def parse_record(data: bytes) -> Record:
    """A record of the file table.

    Raises:
        NotUnderstood: It is not in use, or breaks the format.
    """
    data = repaired(data, b"FILE")
    if not number(data, 22, 2) & _IN_USE:
        raise NotUnderstood("a record that is referred to is not in use")
    return Record(
        sequence=number(data, 16, 2),
        base=reference(number(data, 32, 8)),
        attributes=tuple(_attributes(data, number(data, 20, 2))),
    )


def _attributes(data: bytes, at: int) -> Iterator[Attribute]:
    for _ in range(_MOST_ATTRIBUTES):
        if number(data, at, 4) == _END:
            return
        kind, length, in_clusters, name_length, name_at, flags, _id = fields(_HEADER, data, at)
        if length < _HEADER.size or length % 8 or at + length > len(data):
            raise NotUnderstood("an attribute has an impossible length")
        body = data[at : at + length]
        name = _text(body, name_at, name_length)
        yield (_spread if in_clusters else _resident)(body, kind, name, flags)
        at += length
    raise NotUnderstood("a record has too many attributes")


def _resident(body: bytes, kind: int, name: str, flags: int) -> Attribute:
    size, at = number(body, 16, 4), number(body, 20, 2)
    if at + size > len(body):
        raise NotUnderstood("an attribute is longer than its record")
    return Attribute(kind, name, flags, body[at : at + size], size=size)


def _spread(body: bytes, kind: int, name: str, flags: int) -> Attribute:
    first, last = number(body, 16, 8), number(body, 24, 8)
    runs = tuple(_runs(body, number(body, 32, 2)))
    if sum(run.count for run in runs) != last - first + 1:
        raise NotUnderstood("an attribute has other clusters than it says")
    size = number(body, 48, 8) if first == 0 else 0
    return Attribute(kind, name, flags, None, first, size, runs)


def _runs(body: bytes, at: int) -> Iterator[Run]:
    place = 0
    while head := number(body, at, 1):
        count_bytes, place_bytes = head & 0xF, head >> 4
        end = at + 1 + count_bytes + place_bytes
        if not 0 < count_bytes <= _MOST_RUN_FIELD or place_bytes > _MOST_RUN_FIELD:
            raise NotUnderstood("a run has an impossible length")
        if end > len(body):
            raise NotUnderstood("the runs of an attribute end behind it")
        count = int.from_bytes(body[at + 1 : at + 1 + count_bytes], "little")
        if not count:
            raise NotUnderstood("a run is empty")
        place += int.from_bytes(body[at + 1 + count_bytes : end], "little", signed=True)
        yield Run(place if place_bytes else None, count)
        at = end


def index_entries(node: bytes) -> Iterator[IndexEntry]:
    """What a node of a folder's index names, and its nodes below; a node begins with its header.

    Raises:
        NotUnderstood: It breaks the format.
    """
    at, end = number(node, 0, 4), number(node, 4, 4)
    if end > len(node):
        raise NotUnderstood("a node of an index is longer than its block")
    while at < end:
        length, key_length, flags = (
            number(node, at + 8, 2),
            number(node, at + 10, 2),
            number(node, at + 12, 1),
        )
        below = flags & _HAS_NODE_BELOW and _VCN_BYTES
        if length < 16 + key_length + below or at + length > end:
            raise NotUnderstood("an entry of an index has an impossible length")
        child = number(node, at + length - _VCN_BYTES, 8) if below else None
        if flags & _IS_LAST:
            yield IndexEntry(None, "", child)
            return
        name = file_name(node[at + 16 : at + 16 + key_length])[1]
        yield IndexEntry(reference(number(node, at, 8)), name, child)
        at += length
    raise NotUnderstood("a node of an index has no end")


def file_name(data: bytes) -> tuple[Reference, str]:
    """Folder and name of a file, from its attribute or an index.

    Raises:
        NotUnderstood: It breaks the format.
    """
    return reference(number(data, 0, 8)), _text(data, 66, number(data, 64, 1))


def listed(data: bytes, kind: int) -> Sequence[tuple[int, Reference]]:
    """Where the parts of a file's nameless attribute are, from its attribute list.

    Shape: (first cluster of the part, its record).

    Raises:
        NotUnderstood: It breaks the format.
    """
    found: list[tuple[int, Reference]] = []
    at = 0
    while at < len(data):
        length = number(data, at + 4, 2)
        if length < 26 or length % 2:  # noqa: PLR2004 - fields of an entry
            raise NotUnderstood("an entry of an attribute list has an impossible length")
        if number(data, at, 4) == kind and not number(data, at + 6, 1):
            found.append((number(data, at + 8, 8), reference(number(data, at + 16, 8))))
        at += length
    return found


def _text(data: bytes, at: int, characters: int) -> str:
    if at + 2 * characters > len(data):
        raise NotUnderstood("a name is longer than its structure")
    return data[at : at + 2 * characters].decode("utf-16-le", "replace")
