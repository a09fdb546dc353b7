from datetime import datetime, timedelta

import pytest

from reconciler.errors import CatalogueError
from reconciler.model.protection import DataSource
from reconciler.record.catalogue import Catalogue
from reconciler.record.entries import RequestState


def test_a_request_lives_from_opening_to_its_result(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    asked = catalogue.requests.open("recover", source.id, {"folder": "/r", "disks": [1]}, now)
    assert catalogue.requests.pending() == (asked,)
    assert catalogue.requests.start(asked.id)
    assert not catalogue.requests.start(asked.id)
    assert catalogue.requests.finish(asked.id, {"files": ["a"]}, now, is_done=True)
    assert not catalogue.requests.finish(asked.id, {}, now, is_done=False)
    assert not catalogue.requests.reopen(asked.id)

    ended = catalogue.requests.get(asked.id)
    assert (asked.state, asked.parameters) == (RequestState.OPEN, {"folder": "/r", "disks": [1]})
    assert (ended.state, ended.result) == (RequestState.DONE, {"files": ["a"]})
    assert catalogue.requests.pending() == ()


def test_an_interrupted_request_can_be_begun_again_or_fail(
    catalogue: Catalogue, now: datetime
) -> None:
    asked = catalogue.requests.open("backup", None, {}, now)
    catalogue.requests.start(asked.id)

    assert catalogue.requests.reopen(asked.id)
    assert catalogue.requests.start(asked.id)
    assert catalogue.requests.finish(asked.id, {"code": "host"}, now, is_done=False)
    assert catalogue.requests.get(asked.id).state is RequestState.FAILED


def test_requests_come_oldest_first_and_their_history_newest_first(
    catalogue: Catalogue, now: datetime
) -> None:
    asked = [
        catalogue.requests.open("backup", None, {"n": n}, now + timedelta(seconds=n))
        for n in (2, 0, 1)
    ]

    assert [r.parameters["n"] for r in catalogue.requests.pending()] == [0, 1, 2]
    assert catalogue.requests.history(limit=1) == (asked[0],)


@pytest.mark.parametrize(
    "value", [object(), float("nan"), b"bytes", "x" * (2 << 20)], ids=["object", "nan", "b", "big"]
)
def test_what_cannot_be_written_down_is_refused(
    catalogue: Catalogue, now: datetime, value: object
) -> None:
    with pytest.raises(CatalogueError) as caught:
        catalogue.requests.open("backup", None, {"value": value}, now)

    assert caught.value.hint
    assert catalogue.requests.pending() == ()


def test_an_unknown_request_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="no request r9"):
        catalogue.requests.get("r9")
