"""What became of an action, when nothing else is said."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.execute.outcome import Outcome, Result, Verdict
from reconciler.model.machine import VirtualMachine
from reconciler.model.names import DataSourceId, JobId
from reconciler.plan.actions import RemoveLeftovers, Subject


@pytest.fixture
def action(make_vm: Callable[..., VirtualMachine]) -> RemoveLeftovers:
    machine = make_vm()
    subject = Subject(machine.key, machine.name, machine.host, None)
    return RemoveLeftovers(subject, "why", DataSourceId("source-erp"), is_tracked=True)


def test_an_outcome_did_nothing_until_it_says_so() -> None:
    outcome = Outcome()

    assert outcome.bytes_read == outcome.bytes_stored == outcome.bytes_written == 0
    assert not outcome.is_void
    assert outcome.files == ()


def test_outcomes_do_not_share_their_details() -> None:
    one, other = Outcome(), Outcome()
    one.details["removed"] = 1

    assert other.details == {}


def test_a_result_without_an_error_has_no_words(action: RemoveLeftovers) -> None:
    result = Result(action, Verdict.DONE)

    assert result.error_code == result.message == result.hint == ""
    assert (result.outcome, result.job) == (Outcome(), None)
    assert replace(result, job=JobId("job-1")) != result
