from concurrent.futures import ThreadPoolExecutor
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
    assert catalogue.requests.finish(asked.id, {"files": ["a"]}, now, is_done=True)
    assert not catalogue.requests.finish(asked.id, {}, now, is_done=False)

    ended = catalogue.requests.get(asked.id)
    assert (asked.state, asked.parameters) == (RequestState.OPEN, {"folder": "/r", "disks": [1]})
    assert (ended.state, ended.result) == (RequestState.DONE, {"files": ["a"]})
    assert catalogue.requests.pending() == ()


def test_a_request_may_fail(catalogue: Catalogue, now: datetime) -> None:
    asked = catalogue.requests.open("backup", None, {}, now)

    assert catalogue.requests.finish(asked.id, {"message": "no"}, now, is_done=False)
    assert catalogue.requests.get(asked.id).state is RequestState.FAILED


def test_what_is_asked_twice_is_one_request_until_it_ends(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    later = now + timedelta(minutes=1)
    first = catalogue.requests.open_once("backup", source.id, {}, now)

    assert catalogue.requests.open_once("backup", source.id, {"n": 1}, later) == first
    assert catalogue.requests.open_once("expiry", source.id, {}, later) != first
    assert catalogue.requests.open_once("backup", None, {}, later) != first
    catalogue.requests.finish(first.id, {}, later, is_done=True)
    second = catalogue.requests.open_once("backup", source.id, {}, later)
    assert second.id != first.id
    assert (second.state, second.created_at) == (RequestState.OPEN, later)


def test_of_many_who_ask_at_once_all_get_one_request(
    catalogue: Catalogue, source: DataSource, now: datetime
) -> None:
    def ask(_: int) -> str:
        return catalogue.requests.open_once("backup", source.id, {}, now).id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(16)))) == 1
    assert len(catalogue.requests.pending()) == 1


def test_requests_that_ended_long_ago_are_forgotten(catalogue: Catalogue, now: datetime) -> None:
    old = catalogue.requests.open("backup", None, {}, now)
    new = catalogue.requests.open("backup", None, {}, now)
    is_open = catalogue.requests.open("backup", None, {}, now - timedelta(days=1))
    catalogue.requests.finish(old.id, {}, now, is_done=True)
    catalogue.requests.finish(new.id, {}, now + timedelta(seconds=1), is_done=False)

    assert catalogue.requests.drop_ended_before(now + timedelta(seconds=1)) == 1
    assert {r.id for r in catalogue.requests.history()} == {new.id, is_open.id}


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
