"""Envelopes in, envelopes out: the part of SOAP and WS-Management that a shell needs."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

NAMESPACES: Final = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "pwsh": "http://schemas.microsoft.com/powershell",
}
TRANSFER: Final = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
ENUMERATION: Final = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
SHELL: Final = NAMESPACES["rsp"]
FAULT_ACTION: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"

MAX_TIMEOUT_S: Final = 60.0
"""Source: MaxTimeoutms of the WinRM service, 60000 by default."""
MIN_ENVELOPE_BYTES: Final = 32 << 10
MAX_SELECTORS: Final = 16

_DURATION = re.compile(
    r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?"
)
# Names of what XML 1.0 allows nowhere in a message: they would make the answer unreadable.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class WsmanFault(Exception):  # noqa: N818 (the protocol's own word for it)
    """A request that is answered with a fault.

    Source: codes as seen in recordings of Windows (reference/psrp-smb.md §4 and §6).
    """

    def __init__(self, code: int | None, reason: str, subcode: str = "w:InternalError") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.subcode = subcode


def access_denied() -> WsmanFault:
    """The caller has no right to this."""
    return WsmanFault(5, "Access is denied. ", "w:AccessDenied")


def timed_out() -> WsmanFault:
    """Nothing happened within OperationTimeout; clients ask again."""
    return WsmanFault(
        2150858793,
        "The WS-Management service cannot complete the operation within the time specified in "
        "OperationTimeout.  ",
        "w:TimedOut",
    )


def unknown_selector(what: str) -> WsmanFault:
    """No such shell or command."""
    return WsmanFault(
        2150858843,
        f"The request for the Windows Remote Shell with {what} failed because it was not found on "
        "the server. Possible causes are: it has completed, was closed or was idle for too long. ",
        "w:InvalidSelectors",
    )


def malformed(reason: str) -> WsmanFault:
    """The request is not a message that we read."""
    return WsmanFault(None, reason, "w:SchemaValidationError")


@dataclass(frozen=True, slots=True)
class Message:
    """One request, bounded."""

    action: str
    message_id: str
    to: str
    resource: str
    timeout_s: float
    envelope_bytes: int
    selectors: Mapping[str, str]
    body: ET.Element | None

    def the_body(self) -> ET.Element:
        """The element in the body.

        Raises:
            WsmanFault: There is none.
        """
        if self.body is None:
            raise malformed("the body of the message is empty")
        return self.body


def parse(raw: bytes) -> Message:
    """One envelope.

    Raises:
        WsmanFault: It is not well-formed, not UTF-8, or holds a markup declaration, which SOAP
            forbids and which is how small documents grow large.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise malformed("the message is not UTF-8") from error
    if "<!" in text:
        raise malformed("the message holds a markup declaration")
    try:
        root = ET.fromstring(text)  # noqa: S314 (declarations are refused above)
    except ET.ParseError as error:
        raise malformed(f"the message is not well-formed: {error}") from error
    header, body = root.find("s:Header", NAMESPACES), root.find("s:Body", NAMESPACES)
    if header is None or body is None:
        raise malformed("the message has no header or no body")
    return _message(header, body)


def _message(header: ET.Element, body: ET.Element) -> Message:
    selectors = header.findall("w:SelectorSet/w:Selector", NAMESPACES)[:MAX_SELECTORS]
    return Message(
        action=header.findtext("a:Action", "", NAMESPACES),
        message_id=header.findtext("a:MessageID", "", NAMESPACES),
        to=header.findtext("a:To", "", NAMESPACES),
        resource=header.findtext("w:ResourceURI", "", NAMESPACES),
        timeout_s=min(
            seconds(header.findtext("w:OperationTimeout", "PT20S", NAMESPACES)), MAX_TIMEOUT_S
        ),
        envelope_bytes=_size(header.findtext("w:MaxEnvelopeSize", "153600", NAMESPACES)),
        selectors={s.get("Name", ""): s.text or "" for s in selectors},
        body=next(iter(body), None),
    )


def seconds(duration: str) -> float:
    """An xs:duration without years and months.

    Raises:
        WsmanFault: It is not one.
    """
    found = _DURATION.fullmatch(duration)
    if not found:
        raise malformed("a duration is not understood")
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def _size(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise malformed("MaxEnvelopeSize is no number")
    return max(int(text), MIN_ENVELOPE_BYTES)


def envelope(action: str, relates_to: str, body: str) -> bytes:
    """An answer; `body` is XML already."""
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    return (
        f'<s:Envelope xml:lang="en-US" {declared}><s:Header>'
        f"<a:Action>{escaped(action)}</a:Action>"
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
        f"<a:RelatesTo>{escaped(relates_to)}</a:RelatesTo>"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault(failure: WsmanFault, relates_to: str, machine: str) -> bytes:
    """The answer that carries a fault."""
    reason, detail = escaped(failure.reason), ""
    if failure.code is not None:
        detail = (
            "<s:Detail><f:WSManFault "
            'xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
            f'Code="{failure.code}" Machine="{escaped(machine)}"><f:Message>{reason}</f:Message>'
            "</f:WSManFault></s:Detail>"
        )
    return envelope(
        FAULT_ACTION,
        relates_to,
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode>"
        f"<s:Value>{failure.subcode}</s:Value></s:Subcode></s:Code><s:Reason>"
        f'<s:Text xml:lang="en-US">{reason}</s:Text></s:Reason>{detail}</s:Fault>',
    )


def escaped(text: str) -> str:
    """Text for an element or an attribute in double quotes."""
    return escape(_FORBIDDEN.sub("\ufffd", text), {'"': "&quot;"})
