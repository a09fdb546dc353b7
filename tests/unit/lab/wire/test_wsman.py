"""The actions of a shell, on an engine that only remembers."""

import base64
import uuid
from xml.etree import ElementTree as ET

import pytest

from reconciler.lab.wire.engine import CTRL_C, TERMINATE, EngineError, Output
from reconciler.lab.wire.shells import Quotas
from reconciler.lab.wire.soap import ENUMERATION, NAMESPACES, SHELL, TRANSFER
from reconciler.lab.wire.wsman import CONFIG_RESOURCE, Caller, WsmanService

CALLER = Caller("svc", "127.0.0.1")
RESOURCE = "http://schemas.microsoft.com/powershell/reconcileragent"
SHELL_ID = "0F0E0D0C-0B0A-0908-0706-050403020100"
COMMAND_ID = "1F0E0D0C-0B0A-0908-0706-050403020100"


class Remembering:
    """An engine that says back what it is given, and notes what it is asked."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.asked: list[tuple[object, ...]] = []

    def start(self, creation_xml: bytes) -> None:
        if creation_xml == b"bad":
            raise EngineError("cannot start")
        self.output.deliver(None, creation_xml)

    def connect(self, connect_xml: bytes) -> bytes:
        return connect_xml + b" accepted"

    def command(self, command_id: str, first_fragment: bytes) -> None:
        if first_fragment == b"bad":
            raise EngineError("cannot run")
        self.output.deliver(command_id, first_fragment)

    def send(self, command_id: str | None, fragment: bytes) -> None:
        self.output.deliver(command_id, fragment)
        if command_id:
            self.output.finished(command_id)

    def signal(self, command_id: str, code: str) -> None:
        self.asked.append((command_id, code))

    def close(self) -> None:
        self.asked.append(("close",))


class Service:
    """A service, and the messages to it."""

    def __init__(self, quotas: Quotas | None = None) -> None:
        self.engines: list[Remembering] = []
        self.service = WsmanService("HV1", {"ReconcilerAgent": self.make}, quotas or Quotas())

    def make(self, output: Output) -> Remembering:
        self.engines.append(Remembering(output))
        return self.engines[-1]

    def ask(
        self,
        action: str,
        body: str = "",
        *,
        resource: str = RESOURCE,
        shell_id: str = SHELL_ID,
        caller: Caller = CALLER,
    ) -> ET.Element:
        """The body of the answer."""
        declared = " ".join(f'xmlns:{p}="{uri}"' for p, uri in NAMESPACES.items())
        raw = (
            f"<s:Envelope {declared}><s:Header><a:Action>{action}</a:Action>"
            f"<a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>"
            f"<w:ResourceURI>{resource}</w:ResourceURI>"
            "<w:OperationTimeout>PT0S</w:OperationTimeout>"
            f'<w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet>'
            f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
        _, answer = self.service.answer(raw.encode(), caller)
        found = ET.fromstring(answer).find("s:Body", NAMESPACES)  # noqa: S314
        assert found is not None
        return found

    def create(self, content: bytes = b"creation", **keys: str) -> ET.Element:
        xml = f"<pwsh:creationXml>{b64(content)}</pwsh:creationXml>"
        body = f'<rsp:Shell ShellId="{SHELL_ID}">{xml}</rsp:Shell>'
        return self.ask(f"{TRANSFER}/Create", body, **keys)  # type: ignore[arg-type]

    def command(self, content: bytes = b"fragment", command_id: str = COMMAND_ID) -> ET.Element:
        argument = f"<rsp:Arguments>{b64(content)}</rsp:Arguments>"
        body = f'<rsp:CommandLine CommandId="{command_id}">{argument}</rsp:CommandLine>'
        return self.ask(f"{SHELL}/Command", body)

    def receive(self, command_id: str = "") -> ET.Element:
        target = f' CommandId="{command_id}"' if command_id else ""
        wanted = f"<rsp:DesiredStream{target}>stdout</rsp:DesiredStream>"
        return self.ask(f"{SHELL}/Receive", f"<rsp:Receive>{wanted}</rsp:Receive>")

    def signal(self, code: str) -> ET.Element:
        body = f'<rsp:Signal CommandId="{COMMAND_ID}"><rsp:Code>{code}</rsp:Code></rsp:Signal>'
        return self.ask(f"{SHELL}/Signal", body)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def streams(body: ET.Element) -> list[bytes]:
    return [base64.b64decode(s.text or "") for s in body.findall(".//rsp:Stream", NAMESPACES)]


def state(body: ET.Element) -> str:
    found = body.find(".//rsp:CommandState", NAMESPACES)
    return "" if found is None else found.get("State", "").rpartition("/")[2]


def fault_code(body: ET.Element) -> str:
    found = body.find("s:Fault/s:Detail/*", NAMESPACES)
    return (
        body.findtext(".//s:Reason/s:Text", "", NAMESPACES)
        if found is None
        else found.get("Code", "")
    )


@pytest.fixture
def service() -> Service:
    made = Service()
    made.create()
    return made


def test_a_shell_is_created_under_the_id_that_was_asked(service: Service) -> None:
    assert streams(service.receive()) == [b"creation"]


def test_a_command_is_run_sent_to_and_received(service: Service) -> None:
    service.command()
    first = service.receive(COMMAND_ID)
    service.ask(
        f"{SHELL}/Send",
        f'<rsp:Send><rsp:Stream Name="stdin" CommandId="{COMMAND_ID.lower()}">'
        f"{b64(b'more')}</rsp:Stream></rsp:Send>",
    )
    second = service.receive(COMMAND_ID)

    assert (streams(first), state(first)) == ([b"fragment"], "Running")
    assert (streams(second), state(second)) == ([b"more"], "Done")


def test_stopping_leaves_a_command_and_terminating_forgets_it(service: Service) -> None:
    service.command()
    service.signal(CTRL_C)
    service.signal(TERMINATE)

    assert service.engines[0].asked == [(COMMAND_ID, CTRL_C), (COMMAND_ID, TERMINATE)]
    assert fault_code(service.receive(COMMAND_ID)) == "2150858843"


def test_a_deleted_shell_is_gone(service: Service) -> None:
    service.ask(f"{TRANSFER}/Delete")

    assert service.engines[0].asked == [("close",)]
    assert fault_code(service.command()) == "2150858843"


def test_a_disconnected_shell_takes_no_command_until_it_is_reconnected(service: Service) -> None:
    service.ask(f"{SHELL}/Disconnect", "<rsp:Disconnect/>")
    refused = fault_code(service.command())
    described = service.ask(f"{TRANSFER}/Get", resource=SHELL)
    service.ask(f"{SHELL}/Reconnect", "<rsp:Reconnect/>")

    assert refused
    assert described.findtext(".//rsp:State", "", NAMESPACES) == "Disconnected"
    assert not fault_code(service.command())


def test_another_client_is_connected_by_the_engine(service: Service) -> None:
    answer = service.ask(
        f"{SHELL}/Connect",
        f"<rsp:Connect><pwsh:connectXml>{b64(b'me')}</pwsh:connectXml></rsp:Connect>",
    )

    found = answer.findtext(".//pwsh:connectResponseXml", "", NAMESPACES)
    assert base64.b64decode(found) == b"me accepted"


def test_shells_and_running_commands_are_listed_for_their_owner_only(service: Service) -> None:
    service.command()
    chosen = f'<x><w:Selector Name="ShellId">{SHELL_ID}</w:Selector></x>'
    other = Caller("other", "127.0.0.1")

    mine = service.ask(f"{ENUMERATION}/Enumerate", "<x/>", resource=SHELL)
    theirs = service.ask(f"{ENUMERATION}/Enumerate", "<x/>", resource=SHELL, caller=other)
    commands = service.ask(f"{ENUMERATION}/Enumerate", chosen, resource=f"{SHELL}/Command")
    denied = service.ask(
        f"{ENUMERATION}/Enumerate", chosen, resource=f"{SHELL}/Command", caller=other
    )

    assert mine.findtext(".//rsp:ShellId", "", NAMESPACES) == SHELL_ID
    assert theirs.find(".//rsp:ShellId", NAMESPACES) is None
    assert commands.findtext(".//rsp:CommandId", "", NAMESPACES) == COMMAND_ID
    assert fault_code(denied) == "5"


def test_the_largest_envelope_is_told(service: Service) -> None:
    answer = service.ask(f"{TRANSFER}/Get", resource=CONFIG_RESOURCE)

    assert answer.findtext(f".//{{{CONFIG_RESOURCE}}}MaxEnvelopeSizekb") == "500"


def test_nothing_in_time_is_a_timeout(service: Service) -> None:
    service.command()
    service.receive(COMMAND_ID)

    assert fault_code(service.receive(COMMAND_ID)) == "2150858793"


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ("http://schemas.microsoft.com/powershell/Nope", "2150858811"),
        ("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd", "5"),
    ],
)
def test_what_is_not_configured_is_refused(resource: str, code: str) -> None:
    assert fault_code(Service().create(resource=resource)) == code


def test_what_the_engine_refuses_leaves_nothing_behind() -> None:
    service = Service()

    assert fault_code(service.create(b"bad")) == "cannot start"
    assert not fault_code(service.create())
    assert fault_code(service.command(b"bad")) == "cannot run"
    assert not fault_code(service.command())


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("urn:nothing", "<x/>"),
        (f"{SHELL}/Command", '<rsp:CommandLine CommandId="no guid"/>'),
        (f"{SHELL}/Command", "<rsp:CommandLine><rsp:Arguments>%</rsp:Arguments></rsp:CommandLine>"),
        (f"{SHELL}/Receive", "<rsp:Receive/>"),
        (f"{SHELL}/Receive", ""),
        (f"{SHELL}/Signal", "<rsp:Signal/>"),
        (f"{SHELL}/Send", f'<x><rsp:Stream CommandId="{COMMAND_ID}">AA==</rsp:Stream></x>'),
        (f"{TRANSFER}/Get", ""),
        (f"{ENUMERATION}/Enumerate", "<x/>"),
    ],
)
def test_a_message_that_makes_no_sense_is_a_fault(action: str, body: str, service: Service) -> None:
    assert service.ask(action, body).find("s:Fault", NAMESPACES) is not None


def test_closing_the_service_closes_its_engines(service: Service) -> None:
    service.service.close()

    assert service.engines[0].asked == [("close",)]
