import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.errors import CatalogueError
from reconciler.model.names import (
    DiskId,
    JobId,
    RctId,
    RecoveryPointId,
    RequestId,
    VolumeId,
)
from reconciler.record import encoding
from reconciler.record.work import Intent, JobOutcome


@pytest.mark.parametrize(
    "decode", [encoding.intent, encoding.progress, encoding.outcome, encoding.rct_ids]
)
@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "null"])
def test_damaged_text_is_an_error_of_the_catalogue(
    decode: Callable[[str], object], text: str
) -> None:
    with pytest.raises(CatalogueError, match="damaged") as caught:
        decode(text)

    assert caught.value.hint


@pytest.mark.parametrize("decode", [encoding.intent, encoding.progress, encoding.outcome])
def test_text_with_other_fields_is_an_error_of_the_catalogue(
    decode: Callable[[str], object],
) -> None:
    with pytest.raises(CatalogueError, match="damaged"):
        decode('{"unheard_of": 1}')


def test_rct_ids_come_back_as_they_were() -> None:
    ids = {DiskId("d1"): RctId('rct:8:"quoted"\u2028'), DiskId("d2"): RctId("")}

    assert encoding.rct_ids(encoding.rct_ids_text(ids)) == ids


def an_intent(save: str | None = None, resume: str | None = None) -> Intent:
    return Intent(
        job=JobId("j"),
        volume=VolumeId("v"),
        recovery_point=RecoveryPointId("p"),
        checkpoint_name="n",
        checkpoint_request=RequestId("a"),
        conversion_request=RequestId("b"),
        reference_points_seen=(),
        base_recovery_point=None,
        base_reference_point=None,
        save_request=RequestId(save) if save else None,
        resume_request=RequestId(resume) if resume else None,
    )


@pytest.mark.parametrize("intent", [an_intent(), an_intent("s", "r"), an_intent(resume="r")])
def test_an_intent_comes_back_as_it_was(intent: Intent) -> None:
    assert encoding.intent(encoding.intent_text(intent)) == intent


def test_an_intent_of_a_version_that_saved_no_machine_is_read() -> None:
    old = json.loads(encoding.intent_text(an_intent()))
    del old["save_request"], old["resume_request"]

    assert encoding.intent(json.dumps(old)) == an_intent()


def test_an_outcome_without_a_retry_is_read() -> None:
    told = JobOutcome(is_success=False, code="host", retry="later", facts={"bytes_read": 1})
    old = json.loads(encoding.outcome_text(told))
    assert encoding.outcome(json.dumps(old)) == told
    del old["retry"]

    assert encoding.outcome(json.dumps(old)) == replace(told, retry="")
