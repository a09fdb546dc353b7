"""What a person asked for ends with what it came to, or stays open for the next pass."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.errors import HostUnreachableError, JobStoppedError, ReconcilerError
from reconciler.execute.outcome import Outcome
from reconciler.execute.requests import answering
from reconciler.execute.workbench import Tools
from reconciler.model.machine import NaturalKey, Role
from reconciler.model.names import DataSourceId, GroupName, HostName, RecoveryPointId, VmId
from reconciler.plan.actions import Action, ExpirePoints, RecoverDisks, Subject
from reconciler.record.catalogue import Catalogue
from reconciler.record.entries import Request, RequestState

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SUBJECT = Subject(NaturalKey(VmId("vm"), Role.PRIMARY), "erp", HostName("hv1"), GroupName("g"))
SOURCE = DataSourceId("source")
STOPPED = JobStoppedError("the loop ends", hint="wait")
SILENT = HostUnreachableError("hv1 is silent", hint="start it")


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    def unneeded(*_: object) -> object:
        raise AssertionError("a request needs no host and no repository")

    with Catalogue.open(tmp_path / "catalogue.sqlite") as catalogue:
        yield Tools(
            catalogue=catalogue,
            server=catalogue.server_id,
            clock=unneeded,  # type: ignore[arg-type]
            lease_clock=lambda: NOON,
            owner="owner",
            open_host=unneeded,  # type: ignore[arg-type]
            repository=unneeded,  # type: ignore[arg-type]
            repository_to_read=unneeded,  # type: ignore[arg-type]
            place=unneeded,  # type: ignore[arg-type]
        )


def expiry(request: str) -> Action:
    return ExpirePoints(SUBJECT, "asked", SOURCE, (), (request,))


def recovery(request: str) -> Action:
    return RecoverDisks(SUBJECT, "asked", request, SOURCE, RecoveryPointId("p"), "folder")


def ended(
    tools: Tools, action: Callable[[str], Action], error: BaseException | None = None
) -> Request:
    """A request after its action came to this."""
    request = tools.catalogue.requests.open("any", None, {}, NOON).id
    try:
        with answering(action(request), tools) as outcomes:
            if error is not None:
                raise error
            outcomes.append(Outcome(details={"points": 3}))
    except (ReconcilerError, ValueError, KeyboardInterrupt) as raised:
        assert raised is error  # noqa: PT017 (each of them)
    return tools.catalogue.requests.get(request)


def test_what_was_done_is_told(tools: Tools) -> None:
    request = ended(tools, expiry)
    assert (request.state, request.result) == (RequestState.DONE, {"points": 3})


def test_what_failed_is_told_with_the_next_step(tools: Tools) -> None:
    request = ended(tools, expiry, SILENT)
    assert request.state is RequestState.FAILED
    assert request.result == {"message": "hv1 is silent", "hint": "start it"}


def test_a_fault_of_ours_is_told_by_its_kind(tools: Tools) -> None:
    request = ended(tools, expiry, ValueError("a secret"))
    assert request.result is not None
    assert request.result["message"] == "unexpected ValueError"


@pytest.mark.parametrize("error", [STOPPED, KeyboardInterrupt()])
def test_what_was_stopped_stays_open_but_a_recovery_ends_with_its_process(
    tools: Tools, error: BaseException
) -> None:
    assert ended(tools, expiry, error).state is RequestState.OPEN
    assert ended(tools, recovery, error).state is RequestState.FAILED
