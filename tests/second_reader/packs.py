"""Packs (FORMAT.md, section 5)."""

import hashlib
import struct
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import zstandard

from tests.second_reader.documents import Refused, require
from tests.second_reader.keys import Keys, derive, unsealed

HEADER_BYTES = 64
FOOTER_BYTES = 144
ENTRY = struct.Struct("<IIIBBH32s")
MOST_PACK_BYTES = 64 << 20
DATA, NODE = 0, 1
RAW, ZSTD, DIFFERENCES = 0, 1, 2


class Shape(NamedTuple):
    """What a pack has from its repository."""

    repository: UUID
    keys: Keys | None
    block_bytes: int
    node_bytes: int


class Entry(NamedTuple):
    offset: int
    length: int
    plain_length: int
    encoding: int
    kind: int
    reserved: int
    id: bytes


class Pack:
    """One pack, its footer and table checked."""

    def __init__(self, file: Path, number: int, shape: Shape) -> None:
        self.file = file
        self.number = number
        self.shape = shape
        size = file.stat().st_size
        require(HEADER_BYTES + FOOTER_BYTES <= size <= MOST_PACK_BYTES, "size of a pack")
        footer = self._read(size - FOOTER_BYTES, FOOTER_BYTES)
        magic, version, flags, number, repository, table_offset, slots, _ = struct.unpack_from(
            "<4sHHQ16sQII", footer
        )
        self.flags = int(shape.keys is not None)
        require(magic == b"RCPF", "magic of the footer")
        require((version, flags) == (1, self.flags), "version or flags")
        require((number, repository) == (self.number, shape.repository.bytes), "another pack")
        self.salt, table_salt = footer[48:80], footer[80:112]
        table_bytes = ENTRY.size * slots + 16 * self.flags
        require(slots <= 1 << 20, "slots")
        require(table_offset >= HEADER_BYTES, "table in the header")
        require(table_offset + table_bytes + FOOTER_BYTES == size, "table and footer fill the rest")
        table = self._read(table_offset, table_bytes)
        require(hashlib.sha256(table + footer[:112]).digest() == footer[112:], "footer's hash")
        self.key = None if shape.keys is None else shape.keys.pack(self.number, self.salt)
        if self.key is not None:
            table_key = derive(self.key, table_salt, b"table")
            table = unsealed(table_key, bytes(12), table, footer[:112])
        self.entries = [Entry(*fields) for fields in ENTRY.iter_unpack(table)]
        for entry in self.entries:
            end = entry.offset + entry.length
            is_inside = entry.offset >= HEADER_BYTES and end <= table_offset
            require(not entry.length or is_inside, "stored bytes outside of the pack")

    def check_header(self) -> None:
        wanted = struct.pack(
            "<4sHHQ16s", b"RCPK", 1, self.flags, self.number, self.shape.repository.bytes
        )
        require(self._read(0, HEADER_BYTES) == wanted + self.salt, "header")

    def kept(self) -> list[int]:
        """Slots that were not dropped."""
        return [slot for slot, entry in enumerate(self.entries) if entry.length]

    def block(self, slot: int, kind: int) -> bytes:
        """The plain bytes of a slot, checked."""
        require(slot < len(self.entries), "no such slot")
        entry = self.entries[slot]
        require(entry.length > 0, "a slot that was dropped")
        length = self.shape.block_bytes if kind == DATA else self.shape.node_bytes
        require((entry.kind, entry.plain_length) == (kind, length), "kind or length")
        require(entry.encoding in {RAW, ZSTD} or (entry.encoding, kind) == (DIFFERENCES, NODE), "")
        stored = self._read(entry.offset, entry.length)
        if self.key is not None:
            stored = unsealed(self.key, slot.to_bytes(12, "little"), stored, None)
        plain = stored if entry.encoding == RAW else _decompressed(stored, length)
        if entry.encoding == DIFFERENCES:
            plain = _sums(plain)
        require(len(plain) == length, "length of a block")
        if self.key is None:
            require(hashlib.sha256(plain).digest() == entry.id, "hash of a block")
        return plain

    def check_id(self, slot: int, plain: bytes) -> None:
        """What no reader must do in a sealed pack, as a tag was checked: compare the id as well."""
        digest = hashlib.sha256(plain).digest()
        keys = self.shape.keys
        require(self.entries[slot].id == (keys.block_id(digest) if keys else digest), "id")

    def _read(self, offset: int, length: int) -> bytes:
        with self.file.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        require(len(data) == length, "the pack is too short")
        return data


def _decompressed(stored: bytes, length: int) -> bytes:
    try:
        require(zstandard.frame_content_size(stored) == length, "content size of the frame")
        return zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Refused(str(error)) from error


def _sums(plain: bytes) -> bytes:
    total, result = 0, bytearray()
    for (difference,) in struct.iter_unpack("<Q", plain):
        total = (total + difference) % (1 << 64)
        result += total.to_bytes(8, "little")
    return bytes(result)
