"""Hosts → machines, in parallel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Event as Threading
from threading import Thread
from time import monotonic
from types import MappingProxyType
from typing import Final

from reconciler.errors import HostUnreachableError, ReconcilerError
from reconciler.logs import Event, get_logger
from reconciler.model.machine import HostReport, Inventory, SilentHost
from reconciler.model.names import HostName
from reconciler.observe.seldom import Seldom
from reconciler.ports import HostSession

DEADLINE_S: Final = 90.0
"""Longest that one look at all hosts may take."""
PATIENCE_S: Final = 3.0
"""Longest that a look waits for a host that was silent in the look before."""
MOST_EVENTS: Final = 1000
"""Events of one host in one look, the oldest first: the next look goes on where this one ended."""
_FROM_THE_FIRST: Final[Mapping[HostName, int]] = MappingProxyType({})

OpenHost = Callable[[HostName], HostSession]

_log = get_logger()


@dataclass
class _Ask:
    """One question to one host, on a thread of its own."""

    host: HostName
    answer: HostReport | SilentHost | None = None
    with_requirements: bool = False
    is_old: bool = False
    """Asked in an earlier look: what it will say is no longer what is."""
    _done: Threading = field(default_factory=Threading)

    def begin(self, open_host: OpenHost, after_event: int) -> None:
        """Ask, and do not wait."""
        Thread(target=self._run, args=(open_host, after_event), daemon=True).start()

    def waited(self, until: float) -> bool:
        """Whether the answer is there, before that moment of monotonic time."""
        return self._done.wait(max(0.0, until - monotonic()))

    def _run(self, open_host: OpenHost, after_event: int) -> None:
        self.answer = _answer(self, open_host, after_event)
        self._done.set()


class Lookout:
    """Looks at all hosts again and again. One thread at a time looks.

    A host that was silent the last time is waited for only shortly, and one that still hangs is not
    asked again beside that: so a dead host costs every look a moment, and no look its deadline.
    """

    def __init__(
        self,
        open_host: OpenHost,
        *,
        deadline_s: float = DEADLINE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._open_host = open_host
        self._deadline_s = deadline_s
        self._patience_s = patience_s
        self._silent: set[HostName] = set()
        self._hanging: dict[HostName, _Ask] = {}
        self._told: dict[HostName, str] = {}
        self._seldom = Seldom()

    def look(
        self, hosts: tuple[HostName, ...], after: Mapping[HostName, int] = _FROM_THE_FIRST
    ) -> Inventory:
        """Ask every host at once; whoever has not answered at the deadline is silent.

        `after` is the last event of each host that was noted: only later ones are asked for.
        """
        began = monotonic()
        asks = [self._ask(host, after.get(host, 0)) for host in hosts]
        reports: dict[HostName, HostReport] = {}
        silent: dict[HostName, SilentHost] = {}
        for ask in sorted(asks, key=lambda ask: ask.host in self._silent):
            is_known = ask.host in self._silent
            wait_s = self._patience_s if is_known else self._deadline_s
            answer = self._answered(ask, began + wait_s, wait_s)
            if isinstance(answer, SilentHost):
                silent[ask.host] = answer
            else:
                reports[ask.host] = self._seldom.completed(answer)
        self._silent = {host for host in silent if not self._spoke_late(host)}
        self._tell(reports, silent)
        return Inventory(reports, silent)

    def _tell(
        self, reports: Mapping[HostName, HostReport], silent: Mapping[HostName, SilentHost]
    ) -> None:
        """What is as it was is no news: it goes to the debug log."""
        for host, report in sorted(reports.items()):
            tell = _log.debug if self._told.get(host) == "" else _log.info
            tell(Event.HOST_ANSWERED, host=host, machines=len(report.machines))
        for host, fact in sorted(silent.items()):
            tell = _log.debug if self._told.get(host) == fact.code else _log.warning
            tell(Event.HOST_SILENT, host=host, error_code=fact.code, reason=fact.message)
        self._told = dict.fromkeys(reports, "") | {h: f.code for h, f in silent.items()}

    def _ask(self, host: HostName, after_event: int) -> _Ask:
        if (hanging := self._hanging.get(host)) is not None:
            hanging.is_old = True
            return hanging
        # what takes long is not asked of one that was silent: it would seem so again
        is_due = host not in self._silent and self._seldom.is_due(host)
        ask = _Ask(host, with_requirements=is_due)
        ask.begin(self._open_host, after_event)
        self._hanging[host] = ask
        return ask

    def _answered(self, ask: _Ask, until: float, wait_s: float) -> HostReport | SilentHost:
        if not ask.waited(until) or ask.answer is None:
            return _too_slow(ask.host, wait_s)
        if ask.is_old and isinstance(ask.answer, HostReport):
            return _too_slow(ask.host, wait_s)  # it stays in _hanging until _spoke_late saw it
        del self._hanging[ask.host]
        return ask.answer

    def _spoke_late(self, host: HostName) -> bool:
        """Whether it has answered after all: the next look waits for it as for any other."""
        ask = self._hanging.get(host)
        if ask is None or not ask.waited(0):
            return False
        del self._hanging[host]
        return isinstance(ask.answer, HostReport)


def _answer(ask: _Ask, open_host: OpenHost, after_event: int) -> HostReport | SilentHost:
    host = ask.host
    try:
        session = open_host(host)
        try:
            report = session.report(after_event, with_requirements=ask.with_requirements)
            return replace(report, events=report.events[:MOST_EVENTS])
        finally:
            session.close()
    except ReconcilerError as error:
        return SilentHost(host, error.code, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 (one host's oddity must not hide the others)
        _log.exception(Event.HOST_SILENT, host=host)
        return SilentHost(
            host,
            "host",
            f"asking {host} failed unexpectedly: {error.__class__.__name__}",
            "the log has the traceback; please report it",
        )


def _too_slow(host: HostName, deadline_s: float) -> SilentHost:
    return SilentHost(
        host,
        HostUnreachableError.code,
        f"{host} did not answer within {deadline_s:.0f} s",
        "check the load of the host and the network to it",
    )
