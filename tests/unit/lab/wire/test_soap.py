"""Envelopes are bounded before they are believed."""

from xml.etree import ElementTree as ET

import pytest

from reconciler.lab.wire import soap
from reconciler.lab.wire.soap import NAMESPACES, WsmanFault

REQUEST = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header>
<a:Action>urn:do</a:Action><a:MessageID>uuid:1</a:MessageID><a:To>http://h/wsman</a:To>
<w:ResourceURI>urn:r</w:ResourceURI><w:OperationTimeout>PT1M0.5S</w:OperationTimeout>
<w:MaxEnvelopeSize>512000</w:MaxEnvelopeSize>
<w:SelectorSet><w:Selector Name="ShellId">S</w:Selector></w:SelectorSet>
</s:Header><s:Body><thing/></s:Body></s:Envelope>"""


def test_a_request_is_read_with_its_timeout_bounded() -> None:
    message = soap.parse(REQUEST.encode())

    assert (message.action, message.message_id, message.resource) == ("urn:do", "uuid:1", "urn:r")
    assert message.selectors == {"ShellId": "S"}
    assert message.timeout_s == soap.MAX_TIMEOUT_S
    assert message.envelope_bytes == 512_000
    assert message.the_body().tag == "thing"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe<\x00",
        b"not xml",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        REQUEST.replace("<thing/>", "<!-- remark --><thing/>").encode(),
        REQUEST.replace("512000", "-5").encode(),
        REQUEST.replace("512000", "9" * 30).encode(),
        REQUEST.replace("PT1M0.5S", "soon").encode(),
        REQUEST.encode("utf-16"),
    ],
)
def test_what_is_no_request_of_ours_is_a_fault(raw: bytes) -> None:
    with pytest.raises(WsmanFault):
        soap.parse(raw)


def test_an_empty_body_is_a_fault_where_one_is_needed() -> None:
    message = soap.parse(REQUEST.replace("<thing/>", "").encode())

    with pytest.raises(WsmanFault, match="empty"):
        message.the_body()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT20S", 20), ("PT0.250S", 0.25), ("P1DT1H1M1S", 90_061), ("PT300S", 300), ("P0D", 0)],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert soap.seconds(text) == seconds


def test_a_fault_names_its_code_and_the_message_it_answers() -> None:
    raw = soap.fault(WsmanFault(5, 'no <access> & "rights"\x00', "w:AccessDenied"), "uuid:1", "H")

    root = ET.fromstring(raw)  # noqa: S314
    detail = root.find("s:Body/s:Fault/s:Detail/*", NAMESPACES)
    assert detail is not None
    assert detail.get("Code") == "5"
    assert root.findtext("s:Header/a:RelatesTo", "", NAMESPACES) == "uuid:1"
    assert root.findtext("s:Body/s:Fault/s:Reason/s:Text", "", NAMESPACES) == (
        'no <access> & "rights"\ufffd'
    )
