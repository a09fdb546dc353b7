"""One session with the agent of one host: contract functions called over PSRP.

It opens at the first call, is used by one thread, and heals: a connection that was closed while
idle is noticed before the next call, and a session that is lost in a call is opened anew when the
call may be repeated. Nothing is shared between sessions.
"""

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests
from pypsrp.complex_objects import PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from reconciler.adapters.hyperv.session_deadlines import bound, is_late
from reconciler.adapters.hyperv.session_errors import (
    Account,
    HostileAnswerError,
    Translator,
    is_lost,
    shown,
)
from reconciler.adapters.hyperv.session_slots import MOST, SLOTS
from reconciler.adapters.hyperv.session_values import (
    AgentSerializer,
    LinearFragmenter,
    plain,
    wired,
)
from reconciler.agent_contract import MODULE, AgentFunction
from reconciler.errors import HostError
from reconciler.model.names import HostName

POLL_S: Final = 10
"""Longest wait of one Receive; the host answers it even when nothing has happened.

Never more than a third of the time in which any answer has to come.
"""
CLEANUP_S: Final = 5
"""Longest wait for an answer that changes nothing for us: stop, close."""
PROBE_AFTER_S: Final = 5.0
"""A session that was idle this long is asked whether it lives; HTTP.sys ends idle connections."""
SHELL_IDLE_S: Final = 300
"""How long the host keeps a shell that we lost, and that counts against its quota."""
MAX_RESPONSE_BYTES: Final = 16 << 20


class DeadlineError(Exception):
    """The time for a call is over."""


class NoSlotError(Exception):
    """All sessions that this process may have with the host are in use."""


class AgentFailure(Exception):  # noqa: N818 (the agent failed, which may be an ordinary answer)
    """A function ended with an error of its own; the session is well."""

    def __init__(self, function: str, error_id: str, text: str) -> None:
        super().__init__(f"{function}: {text} ({error_id})")
        self.function = function
        self.error_id = error_id
        self.text = text


@dataclass(frozen=True, slots=True)
class EndPoint:
    """Where a host's agent answers, and as whom we ask."""

    host: HostName
    address: str
    port: int
    use_tls: bool
    authentication: str
    """ntlm, negotiate, kerberos or certificate."""
    user: str
    configuration: str = MODULE
    certificate_authorities: str = ""
    """File of the trusted ones; empty: the system's."""
    certificate: str = ""
    """Our own, for authentication by certificate; its key's password is the password."""
    certificate_key: str = ""
    connect_timeout_s: int = 10
    read_timeout_s: int = 30


class AgentSession:
    """Calls functions of one host's agent. For one thread."""

    def __init__(
        self, end_point: EndPoint, password: str, scripts: Mapping[str, str] | None = None
    ) -> None:
        """`scripts` are the texts of those functions that no module of the host has."""
        self._scripts = scripts or {}
        self._end_point = end_point
        self._password = password
        self._link: _Link | None = None
        place = f"{end_point.address}:{end_point.port}"
        probe = f"Test-WSMan {end_point.address} -Port {end_point.port}"
        self._translator = Translator(
            end_point.host,
            place,
            f"{probe} -UseSSL" if end_point.use_tls else probe,
            Account(
                end_point.user,
                end_point.certificate,
                is_by_kerberos=end_point.authentication == "kerberos",
            ),
        )

    def __repr__(self) -> str:
        return f"AgentSession({self._end_point!r})"

    def call(
        self, function: AgentFunction, arguments: Mapping[str, object], *, deadline_s: float
    ) -> list[dict[str, object]]:
        """Answers of one function, undecoded. A lost session is replaced once.

        Shape: objects as dicts, by the names of their properties; byte arrays as bytes.

        Raises:
            AgentFailure: The function ended with an error.
            HostUnreachableError: No answer in time; the call may have been carried out.
            HostRefusedError: The host, or its agent, does not take the call.
        """
        ends = time.monotonic() + deadline_s
        values = wired(function, arguments)
        was_open = self._link is not None
        may_repeat = not function.changes_something or "RequestId" in arguments
        try:
            return self._attempt(function, values, ends)
        except HostError as error:
            if not (was_open and may_repeat and is_lost(error.__cause__)):
                raise
        return self._attempt(function, values, ends)

    def close(self) -> None:
        """End the session; never raises."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _attempt(
        self, function: AgentFunction, values: Mapping[str, object], ends: float
    ) -> list[dict[str, object]]:
        try:
            link = self._living_link(ends)
            return link.run(function, values, ends, self._scripts.get(function.name))
        except AgentFailure:
            raise
        except DeadlineError as error:
            self.close()
            raise self._translator.unreachable(
                f"did not finish {function.name} in time; it was asked to stop"
            ) from error
        except NoSlotError as error:
            self.close()
            raise self._translator.unreachable(
                f"was not asked: all {MOST} sessions with it are in use by other jobs"
            ) from error
        except Exception as error:
            self._drop(error)
            raise self._translator.translated(error, function.name) from error

    def _living_link(self, ends: float) -> "_Link":
        if self._link is not None and not self._link.lives(ends):
            self._drop(None)
        if self._link is None:
            self._link = _Link(self._end_point, self._password)
            self._link.open(ends)
        return self._link

    def _drop(self, error: Exception | None) -> None:
        """Forget the link; with a word to the host only where that can arrive."""
        if error is None or is_lost(error) or is_late(error):
            link, self._link = self._link, None
            if link is not None:
                link.cut()
        else:
            self.close()


class _Link:
    """One pypsrp connection with its runspace pool."""

    def __init__(self, end_point: EndPoint, password: str) -> None:
        self._limit = end_point.read_timeout_s
        self._poll_s = max(1, min(POLL_S, self._limit // 3))
        self._ends = math.inf
        self._used = time.monotonic()
        self._last: requests.Response | None = None
        self._place = f"{end_point.address}:{end_point.port}".casefold()
        self._give_back: Callable[[], object] | None = None
        self._wsman = WSMan(
            end_point.address,
            port=end_point.port,
            username=end_point.user,
            password=password,
            ssl=end_point.use_tls,
            auth=end_point.authentication,
            cert_validation=end_point.certificate_authorities or True,  # type: ignore[arg-type]
            connection_timeout=end_point.connect_timeout_s,
            read_timeout=end_point.read_timeout_s,
            reconnection_backoff=0.0,
            no_proxy=True,
            certificate_pem=end_point.certificate or None,
            certificate_key_pem=end_point.certificate_key or None,
            certificate_key_password=(password or None) if end_point.certificate else None,
        )
        self._pool = RunspacePool(
            self._wsman, configuration_name=end_point.configuration, idle_timeout=SHELL_IDLE_S
        )
        self._fragments = LinearFragmenter(self._wsman.max_payload_size, AgentSerializer())
        self._pool._fragmenter = self._fragments  # noqa: SLF001 (pypsrp's own is quadratic)

    def open(self, ends: float) -> None:
        """Log in and open the pool.

        Raises:
            NoSlotError: Others have all sessions there may be, until the end.
        """
        self._give_back = SLOTS.take(self._place, self, ends - time.monotonic())
        if self._give_back is None:
            raise NoSlotError
        # Made here and not by the first request, so that it holds for that one, too.
        session = self._wsman.transport._build_session()  # noqa: SLF001
        session.trust_env = False
        session.max_redirects = 0
        session.hooks["response"].append(self._check_response)
        adapter = session.get_adapter(self._wsman.transport.endpoint)
        adapter.send = self._noting(adapter.send)  # type: ignore[method-assign]
        bound(session, lambda: self._ends)
        self._wsman.transport.session = session
        self._allow(ends)
        self._pool.open()

    def lives(self, ends: float) -> bool:
        """Whether the session can be used; asked only after a while without use."""
        if time.monotonic() - self._used < PROBE_AFTER_S:
            return True
        self._allow(ends)
        return self._pool.is_alive(timeout=CLEANUP_S)

    def run(
        self,
        function: AgentFunction,
        values: Mapping[str, object],
        ends: float,
        script: str | None = None,
    ) -> list[dict[str, object]]:
        """One call, from the command to its last answer."""
        shell = PowerShell(self._pool)
        if script is None:
            shell.add_cmdlet(function.name)
        else:
            shell.add_script(script)
        for name, value in values.items():
            shell.add_parameter(name, value)
        self._fragments.received_bytes = 0
        self._allow(ends)
        shell.begin_invoke()
        while shell.state == PSInvocationState.RUNNING:
            left_s = ends - time.monotonic()
            if left_s <= 0:
                self._stop(shell)
                raise DeadlineError(function.name)
            shell.poll_invoke(timeout=min(self._poll_s, math.ceil(left_s)))
        self._used = time.monotonic()
        self._forget(shell)
        return _answers(function, shell)

    def close(self) -> None:
        """End the pool on the host, if it still listens."""
        self._allow(time.monotonic())
        with contextlib.suppress(Exception):
            self._pool.close()
        self.cut()

    def cut(self) -> None:
        """Close the connection without a word."""
        if self._last is not None:
            self._last.close()
        with contextlib.suppress(Exception):
            self._wsman.close()
        if self._give_back is not None:
            self._give_back()

    def _allow(self, ends: float) -> None:
        """Bound what follows by a deadline, but leave time for an answer to come."""
        self._ends = max(ends, time.monotonic() + CLEANUP_S)

    def _stop(self, shell: PowerShell) -> None:
        self._allow(time.monotonic())
        with contextlib.suppress(Exception):
            shell.stop()

    def _forget(self, shell: PowerShell) -> None:
        """Free the command's place in the host's quota, and its output here."""
        with contextlib.suppress(Exception):
            shell.close()

    def _noting(self, send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
        """`send`, whose last answer can be closed by us: a login that fails leaves it unread."""

        def sent(*arguments: Any, **options: Any) -> requests.Response:
            self._last = send(*arguments, **options)
            return self._last

        return sent

    def _check_response(
        self, response: requests.Response, *_: object, **__: object
    ) -> requests.Response:
        """Refuse endless answers before they are read."""
        length = response.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_RESPONSE_BYTES:
            response.close()
            raise HostileAnswerError(f"a response of '{length[:20]}' bytes")
        return response


def _answers(function: AgentFunction, shell: PowerShell) -> list[dict[str, object]]:
    """What a call brought.

    Raises:
        AgentFailure: It ended with an error, or wrote one: then its answers are not whole.
    """
    if shell.streams.error:
        record = shell.streams.error[-1]
        error_id = str(record.fq_error or "").partition(",")[0]
        raise AgentFailure(function.name, shown(error_id), shown(record))
    if shell.state != PSInvocationState.COMPLETED:
        raise AgentFailure(function.name, "PipelineStopped", "the host stopped the call")
    answers = []
    for item in shell.output:
        answer = plain(item)
        if not isinstance(answer, dict):
            raise HostileAnswerError(f"{function.name} gave something that is no object")
        answers.append(answer)
    return answers
