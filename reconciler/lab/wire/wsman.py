"""The actions of WS-Management on a shell."""

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.lab.wire.engine import (
    TERMINATE,
    EngineError,
    EngineFactory,
    EngineGoneError,
    ShellEngine,
)
from reconciler.lab.wire.shell_table import ShellTable
from reconciler.lab.wire.shells import Identity, Quotas, Shell, Wanted
from reconciler.lab.wire.soap import (
    ENUMERATION,
    NAMESPACES,
    SHELL,
    TRANSFER,
    Message,
    WsmanFault,
    access_denied,
    envelope,
    escaped,
    fault,
    malformed,
    parse,
    seconds,
    unknown_selector,
)

RESOURCES: Final = "http://schemas.microsoft.com/powershell/"
SHELL_RESOURCE: Final = SHELL
COMMAND_RESOURCE: Final = f"{SHELL}/Command"
CONFIG_RESOURCE: Final = "http://schemas.microsoft.com/wbem/wsman/1/config"
ENVELOPE_OVERHEAD_BYTES: Final = 2048

_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


Admits = Callable[[str, str], bool]
"""Whether a session configuration takes a user."""


def everybody(configuration: str, user: str) -> bool:
    """Whoever could log in."""
    return bool(configuration and user)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, from where."""

    user: str
    """Empty: somebody who has shown who it is, and has no right to be here."""
    address: str


class WsmanService:
    """One host's shells, one answer for each message."""

    def __init__(self, name: str, engines: Mapping[str, EngineFactory], quotas: Quotas) -> None:
        """The engines may change while the service runs."""
        self._name = name
        self._engines = engines
        self.admits: Admits = everybody
        self._quotas = quotas
        self._shells = ShellTable(quotas)
        self._actions = {
            f"{TRANSFER}/Create": self._create,
            f"{TRANSFER}/Delete": self._delete,
            f"{TRANSFER}/Get": self._get,
            f"{ENUMERATION}/Enumerate": self._enumerate,
            f"{SHELL}/Command": self._command,
            f"{SHELL}/Send": self._send,
            f"{SHELL}/Receive": self._receive,
            f"{SHELL}/Signal": self._signal,
            f"{SHELL}/Disconnect": self._disconnect,
            f"{SHELL}/Reconnect": self._reconnect,
            f"{SHELL}/Connect": self._connect,
        }

    def answer(self, raw: bytes, caller: Caller) -> tuple[int, bytes]:
        """HTTP status and envelope for one message."""
        message_id = ""
        try:
            message = parse(raw)
            message_id = message.message_id
            if not caller.user:
                raise access_denied()
            act = self._actions.get(message.action, _unsupported)
            return 200, envelope(f"{message.action}Response", message_id, act(message, caller))
        except EngineGoneError:
            return 500, fault(unknown_selector("ShellId"), message_id, self._name)
        except EngineError as error:
            return 500, fault(WsmanFault(None, str(error)), message_id, self._name)
        except WsmanFault as failure:
            return 500, fault(failure, message_id, self._name)

    def close(self) -> None:
        """End all shells."""
        self._shells.close()

    # --- life of a shell

    def _create(self, message: Message, caller: Caller) -> str:
        key, factory = self._configuration(message.resource)
        if not self.admits(key, caller.user):
            raise access_denied()
        body = message.the_body()
        idle = body.findtext("rsp:IdleTimeOut", None, NAMESPACES)
        identity = Identity(
            shell_id=_guid(body.get("ShellId") or str(uuid.uuid4())),
            configuration=key,
            owner=caller.user,
            address=caller.address,
            idle_s=min(seconds(idle), self._quotas.shell_idle_s)
            if idle
            else self._quotas.shell_idle_s,
        )
        creation = _decoded(body.findtext("pwsh:creationXml", "", NAMESPACES))
        shell = Shell(identity, self._quotas)
        engine = factory(shell)
        self._shells.add(shell, engine)
        try:
            engine.start(creation)
        except EngineError:
            self._shells.remove(identity.shell_id)
            raise
        return (
            f'<x:ResourceCreated xmlns:x="{TRANSFER}"><a:Address>{escaped(message.to)}</a:Address>'
            f"<a:ReferenceParameters><w:ResourceURI>{escaped(message.resource)}</w:ResourceURI>"
            f'<w:SelectorSet><w:Selector Name="ShellId">{identity.shell_id}</w:Selector>'
            f"</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>{_described(shell)}"
        )

    def _configuration(self, resource: str) -> tuple[str, EngineFactory]:
        if not resource.startswith(RESOURCES):
            raise access_denied()
        wanted = resource.removeprefix(RESOURCES)
        named = {key.lower(): (key, factory) for key, factory in self._engines.items()}
        found = named.get(wanted.lower())
        if found is None:
            raise WsmanFault(
                2150858811,
                "The WS-Management service cannot process the request. Cannot find the "
                f"{wanted[:200]} session configuration in the WSMan: drive on the {self._name} "
                "computer. ",
                "w:InvalidResourceURI",
            )
        return found

    def _delete(self, message: Message, caller: Caller) -> str:
        shell, _ = self._found(message, caller)
        self._shells.remove(shell.identity.shell_id)
        return ""

    def _disconnect(self, message: Message, caller: Caller) -> str:
        shell, _ = self._found(message, caller)
        shell.is_disconnected = True
        return "<rsp:DisconnectResponse/>"

    def _reconnect(self, message: Message, caller: Caller) -> str:
        shell, _ = self._found(message, caller)
        shell.is_disconnected = False
        return "<rsp:ReconnectResponse/>"

    def _connect(self, message: Message, caller: Caller) -> str:
        shell, engine = self._found(message, caller)
        if message.the_body().get("CommandId"):
            return "<rsp:ConnectResponse/>"
        found = message.the_body().findtext("pwsh:connectXml", "", NAMESPACES)
        answer = engine.connect(_decoded(found))
        shell.is_disconnected = False
        return (
            "<rsp:ConnectResponse><pwsh:connectResponseXml>"
            f"{_encoded(answer)}</pwsh:connectResponseXml></rsp:ConnectResponse>"
        )

    # --- commands

    def _command(self, message: Message, caller: Caller) -> str:
        shell, engine = self._found(message, caller)
        body = message.the_body()
        command_id = _guid(body.get("CommandId") or str(uuid.uuid4()))
        texts = (a.text or "" for a in body.findall("rsp:Arguments", NAMESPACES))
        fragment = _decoded("".join(texts))
        shell.add_command(command_id)
        try:
            engine.command(command_id, fragment)
        except EngineError:
            shell.drop_command(command_id)
            raise
        found = f"<rsp:CommandId>{command_id}</rsp:CommandId>"
        return f"<rsp:CommandResponse>{found}</rsp:CommandResponse>"

    def _send(self, message: Message, caller: Caller) -> str:
        shell, engine = self._found(message, caller)
        with shell.in_use():
            for stream in message.the_body().findall("rsp:Stream", NAMESPACES):
                command_id = _optional_guid(stream.get("CommandId"))
                if command_id is not None:
                    shell.check_command(command_id)
                engine.send(command_id, _decoded(stream.text or ""))
        return "<rsp:SendResponse/>"

    def _receive(self, message: Message, caller: Caller) -> str:
        shell, _ = self._found(message, caller)
        desired = message.the_body().find("rsp:DesiredStream", NAMESPACES)
        if desired is None:
            raise malformed("Receive names no stream")
        command_id = _optional_guid(desired.get("CommandId"))
        room = min(message.envelope_bytes, self._quotas.envelope_bytes) - ENVELOPE_OVERHEAD_BYTES
        with shell.in_use():
            received = shell.receive(
                command_id, Wanted(message.message_id, message.timeout_s, room)
            )
        target = f' CommandId="{command_id}"' if command_id else ""
        streams = "".join(
            f'<rsp:Stream Name="stdout"{target}>{_encoded(fragment)}</rsp:Stream>'
            for fragment in received.fragments
        )
        state = "Done" if received.is_done else "Running"
        ending = f'<rsp:CommandState{target} State="{SHELL}/CommandState/{state}"/>'
        return f"<rsp:ReceiveResponse>{streams}{ending if command_id else ''}</rsp:ReceiveResponse>"

    def _signal(self, message: Message, caller: Caller) -> str:
        shell, engine = self._found(message, caller)
        command_id = _guid(message.the_body().get("CommandId") or "")
        code = message.the_body().findtext("rsp:Code", "", NAMESPACES)
        shell.check_command(command_id)
        engine.signal(command_id, code)
        if code == TERMINATE:
            shell.drop_command(command_id)
        return "<rsp:SignalResponse/>"

    # --- looks

    def _get(self, message: Message, caller: Caller) -> str:
        if message.resource == SHELL_RESOURCE:
            return _described(self._found(message, caller)[0])
        if message.resource == CONFIG_RESOURCE:
            kib = self._quotas.envelope_bytes // 1024
            return (
                f'<cfg:Config xmlns:cfg="{CONFIG_RESOURCE}">'
                f"<cfg:MaxEnvelopeSizekb>{kib}</cfg:MaxEnvelopeSizekb>"
                "<cfg:MaxTimeoutms>60000</cfg:MaxTimeoutms></cfg:Config>"
            )
        raise access_denied()

    def _enumerate(self, message: Message, caller: Caller) -> str:
        if message.resource == COMMAND_RESOURCE:
            chosen = message.the_body().find(".//w:Selector", NAMESPACES)
            shell_id = "" if chosen is None else chosen.text or ""
            shell, _ = self._shells.find(shell_id, caller.user)
            items = "".join(
                f"<rsp:Command><rsp:CommandId>{command}</rsp:CommandId></rsp:Command>"
                for command in shell.running_commands
            )
        elif message.resource == SHELL_RESOURCE:
            items = "".join(_described(shell) for shell in self._shells.owned_by(caller.user))
        else:
            raise access_denied()
        return (
            f'<n:EnumerateResponse xmlns:n="{ENUMERATION}"><w:Items>{items}</w:Items>'
            "<w:EndOfSequence/></n:EnumerateResponse>"
        )

    def _found(self, message: Message, caller: Caller) -> tuple[Shell, ShellEngine]:
        found = self._shells.find(message.selectors.get("ShellId", ""), caller.user)
        with found[0].in_use():
            return found


def _unsupported(message: Message, caller: Caller) -> str:
    raise WsmanFault(
        None,
        f"The action {message.action[:200]} is not supported for {caller.user}. ",
        "a:ActionNotSupported",
    )


def _described(shell: Shell) -> str:
    identity = shell.identity
    state = "Disconnected" if shell.is_disconnected else "Connected"
    return (
        f"<rsp:Shell><rsp:ShellId>{identity.shell_id}</rsp:ShellId>"
        f"<rsp:ResourceUri>{RESOURCES}{escaped(identity.configuration)}</rsp:ResourceUri>"
        f"<rsp:Owner>{escaped(identity.owner)}</rsp:Owner>"
        f"<rsp:ClientIP>{escaped(identity.address)}</rsp:ClientIP>"
        f"<rsp:IdleTimeOut>PT{identity.idle_s:.3f}S</rsp:IdleTimeOut>"
        "<rsp:InputStreams>stdin pr</rsp:InputStreams>"
        "<rsp:OutputStreams>stdout</rsp:OutputStreams>"
        f"<rsp:State>{state}</rsp:State>"
        f"<rsp:ShellInactivity>PT{shell.inactive_s:.0f}S</rsp:ShellInactivity></rsp:Shell>"
    )


def _guid(text: str) -> str:
    if not _GUID.fullmatch(text):
        raise malformed("an id is no GUID")
    return text.upper()


def _optional_guid(text: str | None) -> str | None:
    return None if text is None else _guid(text)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise malformed("a stream is no base64") from error


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
