"""Hosts are asked side by side; one that gives no answer is silent and harms no other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from threading import Barrier, Event
from typing import cast

import pytest
from structlog.testing import capture_logs

from reconciler.errors import HostRefusedError, HostUnreachableError
from reconciler.model.machine import HostEvent, HostReport, SilentHost, VirtualMachine
from reconciler.model.names import HostName
from reconciler.model.observed import Observed
from reconciler.observe.inventory import MOST_EVENTS, Lookout, OpenHost
from reconciler.ports import HostSession

HV1, HV2, HV3 = (HostName(f"hv{n}") for n in (1, 2, 3))
PATIENCE_S = 10.0
"""Longest that a test waits for what happens at once."""


@dataclass
class Session:
    """Of the port only what an inventory needs."""

    answer: Callable[[], HostReport]
    closed: Event = field(default_factory=Event)
    asked_after: list[int] = field(default_factory=list)

    def report(self, after_event: int = 0, *, with_requirements: bool = False) -> HostReport:
        self.asked_after.append(after_event)
        return self.answer()

    def close(self) -> None:
        self.closed.set()


def opening(sessions: dict[HostName, Session]) -> OpenHost:
    return lambda host: cast("HostSession", sessions[host])


def failing(error: Exception) -> Callable[[], HostReport]:
    def answer() -> HostReport:
        raise error

    return answer


@pytest.fixture
def report(
    make_vm: Callable[..., VirtualMachine], make_observed: Callable[..., Observed]
) -> Callable[[str], HostReport]:
    def make(host: str) -> HostReport:
        return make_observed(make_vm(host=host)).inventory.reports[HostName(host)]

    return make


@pytest.fixture
def release() -> Iterator[Event]:
    """Lets go of a session that hangs, at the latest when the test ends."""
    event = Event()
    yield event
    event.set()


def test_hosts_are_asked_at_the_same_time(report: Callable[[str], HostReport]) -> None:
    together = Barrier(3, timeout=PATIENCE_S)

    def meet(host: HostName) -> Callable[[], HostReport]:
        def answer() -> HostReport:
            together.wait()
            return report(host)

        return answer

    sessions = {host: Session(meet(host)) for host in (HV1, HV2, HV3)}
    found = Lookout(opening(sessions), deadline_s=PATIENCE_S).look((HV1, HV2, HV3))

    assert found.reports == {host: report(host) for host in (HV1, HV2, HV3)}
    assert found.silent == {}


def test_a_host_that_fails_is_silent_with_what_it_said(
    report: Callable[[str], HostReport],
) -> None:
    refused = HostRefusedError("hv2 refused", hint="check the account")
    sessions = {HV1: Session(lambda: report("hv1")), HV2: Session(failing(refused))}
    with capture_logs() as lines:
        found = Lookout(opening(sessions), deadline_s=PATIENCE_S).look((HV1, HV2))

    assert found.reports == {HV1: report("hv1")}
    assert found.silent == {
        HV2: SilentHost(HV2, "host.refused", "hv2 refused", "check the account")
    }
    assert [(line["event"], line["host"], line["log_level"]) for line in lines] == [
        ("host.answered", "hv1", "info"),
        ("host.silent", "hv2", "warning"),
    ]
    assert lines[0]["machines"] == 1
    assert (lines[1]["error_code"], lines[1]["reason"]) == ("host.refused", "hv2 refused")


def test_a_host_that_cannot_be_reached_is_silent() -> None:
    def open_host(host: HostName) -> HostSession:
        raise HostUnreachableError(f"{host} is off", hint="start it")

    found = Lookout(open_host, deadline_s=PATIENCE_S).look((HV1,))
    assert found.silent == {HV1: SilentHost(HV1, "host.unreachable", "hv1 is off", "start it")}


def test_an_oddity_of_one_host_does_not_hide_the_others(
    report: Callable[[str], HostReport],
) -> None:
    sessions = {HV1: Session(failing(KeyError("hunter2"))), HV2: Session(lambda: report("hv2"))}
    with capture_logs() as lines:
        found = Lookout(opening(sessions), deadline_s=PATIENCE_S).look((HV1, HV2))

    assert set(found.reports) == {HV2}
    assert found.silent[HV1].code == "host"
    assert found.silent[HV1].message == "asking hv1 failed unexpectedly: KeyError"
    assert any(line["log_level"] == "error" and line.get("exc_info") for line in lines)


def test_a_host_that_is_too_slow_is_silent_and_its_late_answer_is_dropped(
    report: Callable[[str], HostReport], release: Event
) -> None:
    def hang() -> HostReport:
        release.wait(PATIENCE_S)
        return report("hv1")

    sessions = {HV1: Session(hang), HV2: Session(lambda: report("hv2"))}
    found = Lookout(opening(sessions), deadline_s=0.3).look((HV1, HV2))

    assert set(found.reports) == {HV2}
    assert set(found.silent) == {HV1}
    assert found.silent[HV1].code == "host.unreachable"
    assert found.silent[HV1].message == "hv1 did not answer within 0 s"
    assert not sessions[HV1].closed.is_set()

    release.set()
    assert sessions[HV1].closed.wait(PATIENCE_S)
    assert set(found.reports) == {HV2}


@pytest.mark.parametrize("error", [None, HostUnreachableError("x", hint="y"), ValueError("z")])
def test_every_session_that_was_opened_is_ended(
    report: Callable[[str], HostReport], error: Exception | None
) -> None:
    session = Session(failing(error) if error else lambda: report("hv1"))
    Lookout(opening({HV1: session}), deadline_s=PATIENCE_S).look((HV1,))

    assert session.closed.wait(PATIENCE_S)


def test_no_hosts_are_no_inventory() -> None:
    found = Lookout(opening({}), deadline_s=PATIENCE_S).look(())
    assert (found.reports, found.silent) == ({}, {})


def test_each_host_is_asked_for_events_after_the_last_that_was_noted(
    report: Callable[[str], HostReport],
) -> None:
    sessions = {host: Session(partial(report, host)) for host in (HV1, HV2)}
    Lookout(opening(sessions), deadline_s=PATIENCE_S).look((HV1, HV2), {HV1: 41})

    assert [sessions[host].asked_after for host in (HV1, HV2)] == [[41], [0]]


def test_of_too_many_events_the_oldest_are_taken_and_the_others_later(
    report: Callable[[str], HostReport],
) -> None:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    events = tuple(HostEvent(n, "EventLog", 6006, at, "hv1") for n in range(1, 1600))
    full = replace(report("hv1"), events=events)
    found = Lookout(opening({HV1: Session(lambda: full)}), deadline_s=PATIENCE_S).look((HV1,))

    assert found.reports == {HV1: replace(full, events=events[:MOST_EVENTS])}
    assert MOST_EVENTS == 1000


def test_a_host_that_hangs_is_not_asked_again_beside_that(
    report: Callable[[str], HostReport], release: Event
) -> None:
    def hang() -> HostReport:
        release.wait(PATIENCE_S)
        return report("hv1")

    session = Session(hang)
    lookout = Lookout(opening({HV1: session}), deadline_s=0.2, patience_s=0.1)
    looks = [lookout.look((HV1,)) for _ in range(3)]

    assert all(set(look.silent) == {HV1} for look in looks)
    assert session.asked_after == [0]


def test_a_host_that_was_silent_is_waited_for_only_shortly(
    report: Callable[[str], HostReport], release: Event
) -> None:
    def hang() -> HostReport:
        release.wait(PATIENCE_S)
        return report("hv1")

    sessions = {HV1: Session(hang), HV2: Session(lambda: report("hv2"))}
    lookout = Lookout(opening(sessions), deadline_s=0.5, patience_s=0.0)
    lookout.look((HV1, HV2))

    second = lookout.look((HV1, HV2))

    assert second.silent[HV1].message == "hv1 did not answer within 0 s"
    assert set(second.reports) == {HV2}


def test_an_answer_to_an_earlier_look_is_not_believed_but_the_host_is_asked_anew(
    report: Callable[[str], HostReport], release: Event
) -> None:
    def hang() -> HostReport:
        release.wait(PATIENCE_S)
        return report("hv1")

    session = Session(hang)
    lookout = Lookout(opening({HV1: session}), deadline_s=0.2, patience_s=0.1)
    lookout.look((HV1,))
    release.set()
    assert session.closed.wait(PATIENCE_S)

    looks = [lookout.look((HV1,)) for _ in range(3)]

    assert set(looks[0].silent) == {HV1}
    assert set(looks[-1].reports) == {HV1}
    assert len(session.asked_after) > 1
