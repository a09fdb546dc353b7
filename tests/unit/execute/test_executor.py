"""What fails before it has a job is told to who asked, and counted."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from reconciler.errors import CatalogueError
from reconciler.execute.executor import Executor
from reconciler.execute.outcome import Verdict
from reconciler.execute.workbench import PolicyStamp, Tools
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, GroupName, HostName, PlanId, VmId
from reconciler.plan.actions import ExpirePoints, Subject
from reconciler.ports import HostSession
from reconciler.record.entries import RequestState
from reconciler.record.work import JobOrder

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOST = HostName("hv1")
KEY = NaturalKey(VmId("vm"), Role.PRIMARY)
SUBJECT = Subject(KEY, "erp", HOST, GroupName("g"))
FULL = CatalogueError("the disk of the catalogue is full", hint="make room")
MakeTools = Callable[..., Tools]


def no_host() -> HostSession:
    raise AssertionError("no host is needed")


def executor(tools: Tools) -> Executor:
    return Executor(tools, PlanId("p"), PolicyStamp("digest", ""), 60.0)


def expiry(request: str, source: DataSourceId) -> ExpirePoints:
    return ExpirePoints(SUBJECT, "asked", source, (), (request,))


@pytest.fixture
def clock_after_trouble() -> Callable[[], datetime]:
    """A clock of leases whose first reading is in the middle of trouble."""

    def moments() -> Iterator[datetime | CatalogueError]:
        yield FULL
        while True:
            yield NOON

    found = moments()

    def clock() -> datetime:
        if isinstance(moment := next(found), CatalogueError):
            raise moment
        return moment

    return clock


def test_what_fails_before_it_has_a_job_is_told_and_counted(
    make_tools: MakeTools, clock_after_trouble: Callable[[], datetime]
) -> None:
    tools = make_tools(lease_clock=clock_after_trouble)
    source = tools.catalogue.ensure_source(KEY, "erp", HOST, GroupName("g")).id
    request = tools.catalogue.requests.open("any", source, {}, NOON).id

    result = executor(tools).execute(expiry(request, source), no_host)

    assert (result.verdict, result.job) == (Verdict.FAILED, None)
    closed = tools.catalogue.requests.get(request)
    assert closed.state is RequestState.FAILED
    assert closed.result == {"message": FULL.message, "hint": FULL.hint}
    found = tools.catalogue.jobs.failures()[source]
    assert (found.count, found.code) == (1, FULL.code)


def test_what_a_machine_that_nobody_knows_is_asked_for_is_told(make_tools: MakeTools) -> None:
    tools = make_tools()
    request = tools.catalogue.requests.open("any", None, {}, NOON).id

    executor(tools).execute(expiry(request, DataSourceId("gone")), no_host)

    assert tools.catalogue.requests.get(request).state is RequestState.FAILED


def test_what_waits_for_another_job_stays_asked_for(make_tools: MakeTools) -> None:
    tools = make_tools(owner="elsewhere:1:a")
    source = tools.catalogue.ensure_source(KEY, "erp", HOST, GroupName("g")).id
    request = tools.catalogue.requests.open("any", source, {}, NOON).id
    order = JobOrder("express_full_backup", source, HOST, PlanId("p"))
    tools.catalogue.jobs.begin(order, "elsewhere:1:a", NOON)

    result = executor(tools).execute(expiry(request, source), no_host)

    assert result.error_code == "prerequisite.machine_busy"
    assert tools.catalogue.requests.get(request).state is RequestState.OPEN
    assert tools.catalogue.jobs.failures() == {}
