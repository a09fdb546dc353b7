"""What travels: arguments out, fragments and objects in."""

import base64
import struct
from collections.abc import Mapping
from typing import Final
from uuid import UUID
from xml.etree import ElementTree as ET

from pypsrp.complex_objects import GenericComplexObject, ObjectMeta
from pypsrp.exceptions import FragmentError
from pypsrp.messages import Message
from pypsrp.powershell import Fragmenter
from pypsrp.serializer import Serializer, TaggedValue

from reconciler.adapters.hyperv.session_errors import HostileAnswerError
from reconciler.agent_contract import AgentFunction, Kind

MAX_ANSWER_BYTES: Final = 128 << 20
MAX_DEPTH: Final = 8

_FRAGMENT = struct.Struct(">QQBI")
"""Object id, number of the fragment, start and end bits, length.

Source: [MS-PSRP] 2.2.4.
"""
_END = 2
_INT32 = range(-(2**31), 2**31)


class AgentSerializer(Serializer):
    """Reads byte arrays without writing their XML anew, and empty ones at all.

    pypsrp gives None to the base64 decoder for `<BA />`, which is how an empty array travels.
    """

    def deserialize(
        self,
        element: ET.Element | str,
        metadata: ObjectMeta | None = None,
        clear: bool = True,  # noqa: FBT001, FBT002 (pypsrp's signature)
    ) -> object:
        """An object of an element."""
        if isinstance(element, ET.Element) and element.tag == "BA":
            return base64.b64decode(element.text or "")
        return super().deserialize(element, metadata, clear)


class LinearFragmenter(Fragmenter):
    """Joins the fragments of a message once, and bounds what one call may bring."""

    def __init__(self, most_bytes: int, serializer: Serializer) -> None:
        super().__init__(most_bytes, serializer)
        self.received_bytes = 0
        self._pieces: dict[int, list[bytes]] = {}

    def defragment(self, data: bytes) -> list[Message]:
        """Messages that some fragments complete.

        Raises:
            FragmentError: The fragments are damaged or out of order.
            HostileAnswerError: They are too many.
        """
        self.received_bytes += len(data)
        if self.received_bytes > MAX_ANSWER_BYTES:
            raise HostileAnswerError(f"more than {MAX_ANSWER_BYTES >> 20} MiB for one call")
        whole, offset = [], 0
        while offset < len(data):
            if len(data) - offset < _FRAGMENT.size:
                raise FragmentError("a fragment without a whole header")
            object_id, number, bits, length = _FRAGMENT.unpack_from(data, offset)
            offset += _FRAGMENT.size
            piece = data[offset : offset + length]
            offset += length
            if len(piece) < length or number != len(self._pieces.get(object_id, [])):
                raise FragmentError(f"fragment {number} is damaged or out of order")
            self._pieces.setdefault(object_id, []).append(piece)
            if bits & _END:
                whole.append(b"".join(self._pieces.pop(object_id)))
        return [Message.unpack(message, self.serializer) for message in whole]


def wired(function: AgentFunction, arguments: Mapping[str, object]) -> dict[str, object]:
    """Arguments as pypsrp has to be given them; what is None is left out."""
    longs = {p.name for p in function.parameters if p.kind is Kind.LONG}
    return {
        name: _wired(value, is_long=name in longs)
        for name, value in arguments.items()
        if value is not None
    }


def _wired(value: object, *, is_long: bool) -> object:
    """A value that pypsrp sends with the right width: it takes every int for 32 bits."""
    match value:
        case bool() | str() | bytes():
            return value
        case int():
            return TaggedValue("I64" if is_long or value not in _INT32 else "I32", value)
        case bytearray() | memoryview():
            return bytes(value)
        case list() | tuple():
            return [_wired(item, is_long=is_long) for item in value]
        case _:
            raise TypeError(f"{type(value).__name__} does not travel to an agent")


def plain(value: object, depth: int = MAX_DEPTH) -> object:
    """A decoded object as plain dicts and lists; what is neither stays for the decoder to judge."""
    if depth == 0:
        raise HostileAnswerError("objects are nested too deeply")
    match value:
        case GenericComplexObject():
            properties = {**value.adapted_properties, **value.extended_properties}
            return {str(k): plain(v, depth - 1) for k, v in properties.items()}
        case dict():
            return {str(k): plain(v, depth - 1) for k, v in value.items()}
        case list():
            return [plain(item, depth - 1) for item in value]
        case UUID():
            return str(value)
        case _:
            return value
