"""Hosts → machines, in parallel."""

from collections.abc import Callable, Mapping
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import Final

from reconciler.errors import HostUnreachableError, ReconcilerError
from reconciler.logs import Event, get_logger
from reconciler.model.machine import HostReport, Inventory, SilentHost
from reconciler.model.names import HostName
from reconciler.ports import HostSession

DEADLINE_S: Final = 90.0
"""Longest that one look at all hosts may take."""

OpenHost = Callable[[HostName], HostSession]

_log = get_logger()


def take_inventory(
    hosts: tuple[HostName, ...], open_host: OpenHost, *, deadline_s: float = DEADLINE_S
) -> Inventory:
    """Ask every host at once; whoever has not answered at the deadline is silent."""
    answers: Queue[HostReport | SilentHost] = Queue()
    for host in hosts:
        Thread(target=_ask, args=(host, open_host, answers), daemon=True).start()
    reports: dict[HostName, HostReport] = {}
    silent: dict[HostName, SilentHost] = {}
    end = monotonic() + deadline_s
    for _ in hosts:
        try:
            answer = answers.get(timeout=max(0.0, end - monotonic()))
        except Empty:
            break
        if isinstance(answer, SilentHost):
            silent[answer.name] = answer
        else:
            reports[answer.facts.name] = answer
    for host in hosts:
        if host not in reports and host not in silent:
            silent[host] = _too_slow(host, deadline_s)
    _tell(reports, silent)
    return Inventory(reports, silent)


def _ask(host: HostName, open_host: OpenHost, answers: "Queue[HostReport | SilentHost]") -> None:
    try:
        session = open_host(host)
        try:
            answers.put(session.report())
        finally:
            session.close()
    except ReconcilerError as error:
        answers.put(SilentHost(host, error.code, error.message, error.hint))
    except Exception as error:  # noqa: BLE001 (one host's oddity must not hide the others)
        _log.exception(Event.HOST_SILENT, host=host)
        answers.put(
            SilentHost(
                host,
                "host",
                f"asking {host} failed unexpectedly: {error.__class__.__name__}",
                "the log has the traceback; please report it",
            )
        )


def _too_slow(host: HostName, deadline_s: float) -> SilentHost:
    return SilentHost(
        host,
        HostUnreachableError.code,
        f"{host} did not answer within {deadline_s:.0f} s",
        "check the load of the host and the network to it",
    )


def _tell(reports: Mapping[HostName, HostReport], silent: Mapping[HostName, SilentHost]) -> None:
    for host, report in sorted(reports.items()):
        _log.info(Event.HOST_ANSWERED, host=host, machines=len(report.machines))
    for host, fact in sorted(silent.items()):
        _log.warning(Event.HOST_SILENT, host=host, error_code=fact.code, reason=fact.message)
