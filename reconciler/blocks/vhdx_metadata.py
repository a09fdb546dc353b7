"""Metadata of a VHDX: the table of items, and the texts that name a parent.

Source: [MS-VHDX] 2.6.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from reconciler.blocks.vhdx_format import (
    FILE_PARAMETERS,
    IS_REQUIRED,
    IS_VIRTUAL_DISK,
    KIB,
    MAX_TABLE_ENTRIES,
    METADATA_SIGNATURE,
    METADATA_TABLE_BYTES,
    PARENT_LOCATOR,
    VHDX_PARENT_LOCATOR_TYPE,
)

_METADATA_TABLE = struct.Struct("<8sHH20x")
_METADATA_ENTRY = struct.Struct("<16sIIII")
_LOCATOR = struct.Struct("<16sHH")
_LOCATOR_ENTRY = struct.Struct("<IIHH")


@dataclass(frozen=True, slots=True)
class MetadataEntry:
    """Where a metadata item lies in its region. Source: [MS-VHDX] 2.6.1.2."""

    item: UUID
    offset: int
    length: int
    flags: int


def packed_metadata(items: Mapping[UUID, bytes], item_bytes: int = 4 * KIB) -> bytes:
    """A metadata table and its items, `item_bytes` apart, so that one can grow in its place."""
    table = _METADATA_TABLE.pack(METADATA_SIGNATURE, 0, len(items))
    body = b""
    for item, value in items.items():
        is_of_file = item in (FILE_PARAMETERS, PARENT_LOCATOR)
        flags = IS_REQUIRED if is_of_file else IS_REQUIRED | IS_VIRTUAL_DISK
        offset = METADATA_TABLE_BYTES + len(body)
        table += _METADATA_ENTRY.pack(item.bytes_le, offset, len(value), flags, 0)
        body += value.ljust(item_bytes, b"\0")
    return table.ljust(METADATA_TABLE_BYTES, b"\0") + body


def unpacked_metadata(table: bytes) -> list[MetadataEntry] | None:
    """The entries of a metadata table; None if it is none or counts more than it may hold."""
    signature, _, count = _METADATA_TABLE.unpack_from(table)
    if signature != METADATA_SIGNATURE or count > MAX_TABLE_ENTRIES:
        return None
    entries = _METADATA_ENTRY.iter_unpack(table[32 : 32 + count * _METADATA_ENTRY.size])
    return [
        MetadataEntry(UUID(bytes_le=item), offset, length, flags)
        for item, offset, length, flags, _ in entries
    ]


def packed_locator(texts: Mapping[str, str]) -> bytes:
    """A parent locator. Source: [MS-VHDX] 2.6.2.6."""
    table = _LOCATOR.pack(VHDX_PARENT_LOCATOR_TYPE.bytes_le, 0, len(texts))
    strings = b""
    start = _LOCATOR.size + len(texts) * _LOCATOR_ENTRY.size
    for key, value in texts.items():
        name, text = key.encode("utf-16-le"), value.encode("utf-16-le")
        at = start + len(strings)
        table += _LOCATOR_ENTRY.pack(at, at + len(name), len(name), len(text))
        strings += name + text
    return table + strings


def unpacked_locator(data: bytes) -> dict[str, str]:
    """The keys and values of a parent locator.

    Raises:
        ValueError: It is of another type, has a key twice, or a text lies outside of it.
    """
    if len(data) < _LOCATOR.size:
        raise ValueError("is too short")
    kind, _, count = _LOCATOR.unpack_from(data)
    if kind != VHDX_PARENT_LOCATOR_TYPE.bytes_le:
        raise ValueError("is not of the VHDX type")
    end = _LOCATOR.size + count * _LOCATOR_ENTRY.size
    if end > len(data):
        raise ValueError(f"counts {count} entries, more than it can hold")
    texts: dict[str, str] = {}
    for at_key, at_value, key_bytes, value_bytes in _LOCATOR_ENTRY.iter_unpack(
        data[_LOCATOR.size : end]
    ):
        if max(at_key + key_bytes, at_value + value_bytes) > len(data):
            raise ValueError("has a text outside of itself")
        key = data[at_key : at_key + key_bytes].decode("utf-16-le")
        if key in texts:
            raise ValueError(f"has the key {key[:40]!r} twice")
        texts[key] = data[at_value : at_value + value_bytes].decode("utf-16-le")
    return texts
