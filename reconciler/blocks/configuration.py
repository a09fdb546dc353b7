"""The configuration files of a machine as a manifest holds them: name → base64.

A manifest is read often and has no blocks that others share, and some of these files are megabytes
of zeros: so a file that gzip makes smaller is held under its name with `.gz` behind it. What is not
held is told by a file of ours among them. Both are files like any others to whoever does not know.
"""

import base64
import binascii
import gzip
import zlib
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from reconciler.blocks.objects import damaged
from reconciler.errors import BlockDamagedError
from reconciler.model.configuration import Configuration, FileLeftOut

MOST_FILES_BYTES: Final = 16 << 20
"""Of all files of a recovery point together."""
MOST_STORED_BYTES: Final = 8 << 20
"""Of all of them as they are stored; a manifest has 16 MiB at most."""
LEFT_OUT: Final = "left-out.json"
_GZIP: Final = ".gz"
_GZIP_WINDOW: Final = 31
"""The largest, with gzip's header. Source: zlib.h, inflateInit2."""


class _LeftOut(msgspec.Struct, frozen=True):
    name: Annotated[str, Meta(max_length=4096)]
    bytes: Annotated[int, Meta(ge=0)] | None
    reason: Annotated[str, Meta(max_length=4096)]


def is_free_name(name: str) -> bool:
    """Whether a host's file may be stored under its own name."""
    return name.lower() != LEFT_OUT and not name.lower().endswith(_GZIP)


def stored_file(name: str, data: bytes) -> tuple[str, str]:
    """Name and text of a file in a manifest."""
    smaller = gzip.compress(data, mtime=0)
    if len(smaller) < len(data):
        name, data = name + _GZIP, smaller
    return name, base64.b64encode(data).decode()


def stored_left_out(left_out: tuple[FileLeftOut, ...]) -> Mapping[str, str]:
    """The file that tells what is not held; none when nothing is missing."""
    if not left_out:
        return {}
    told = [_LeftOut(each.name, each.size_bytes, each.reason) for each in left_out]
    text = msgspec.json.format(msgspec.json.encode({"left_out": told}), indent=2)
    return {LEFT_OUT: base64.b64encode(text).decode()}


def configuration_of(stored: Mapping[str, str]) -> Configuration:
    """The files of a recovery point as they were on the host, and what is missing of them.

    Raises:
        BlockDamagedError: They are not what was stored.
    """
    files: dict[str, bytes] = {}
    left_out: tuple[FileLeftOut, ...] = ()
    room = MOST_FILES_BYTES
    for name, text in sorted(stored.items()):
        data = _decoded(name, text)
        if name == LEFT_OUT:
            left_out = _left_out(data)
            continue
        if name.endswith(_GZIP):
            name, data = name.removesuffix(_GZIP), _inflated(name, data, room)  # noqa: PLW2901
        room -= len(data)
        if room < 0 or name in files:
            raise damaged(f"the configuration files of a recovery point are odd at {name}")
        files[name] = data
    return Configuration(files, left_out)


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise damaged(f"the configuration file {name} is no base64") from error


def _inflated(name: str, data: bytes, room: int) -> bytes:
    reader = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = reader.decompress(data, room + 1)
    except zlib.error as error:
        raise _odd(name) from error
    if not reader.eof or reader.unused_data:
        raise _odd(name)
    return plain


def _odd(name: str) -> BlockDamagedError:
    return damaged(f"the configuration file {name} is no gzip of a file that may be stored")


def _left_out(data: bytes) -> tuple[FileLeftOut, ...]:
    try:
        told = msgspec.json.decode(data, type=dict[str, list[_LeftOut]])["left_out"]
    except (msgspec.DecodeError, KeyError, RecursionError) as error:
        raise damaged(f"{LEFT_OUT} of a recovery point is not valid: {error}") from error
    return tuple(FileLeftOut(each.name, each.bytes, each.reason) for each in told)
