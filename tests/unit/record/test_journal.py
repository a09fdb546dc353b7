import hashlib
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from reconciler.errors import CatalogueError
from reconciler.model.names import PlanId
from reconciler.record import journal
from reconciler.record.catalogue import Catalogue
from reconciler.record.database import Database
from reconciler.record.entries import PassRecord
from reconciler.record.tables import policy_file

SECOND = timedelta(seconds=1)


def a_pass(at: datetime) -> PassRecord:
    return PassRecord(at, at + SECOND, PlanId("p"), "digest", "system", 3, 2, 1)


def test_passes_come_newest_first_and_the_oldest_are_forgotten(
    catalogue: Catalogue, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_PASSES", 3)
    records = [a_pass(now + n * SECOND) for n in range(5)]
    for record in records:
        catalogue.record_pass(record)

    assert catalogue.passes() == tuple(reversed(records[2:]))
    assert catalogue.passes(limit=1) == (records[4],)


def test_an_alert_is_open_once_until_it_is_resolved(catalogue: Catalogue, now: datetime) -> None:
    assert catalogue.open_alert("host_silent", "hv1", "no answer", now)
    assert not catalogue.open_alert("host_silent", "hv1", "still no answer", now + SECOND)
    assert catalogue.open_alert("host_silent", "hv2", "no answer", now + SECOND)

    first, second = catalogue.alerts()
    assert (first.subject, first.message, first.opened_at) == ("hv1", "still no answer", now)
    assert second.subject == "hv2"
    assert catalogue.resolve_alert("host_silent", "hv1", now)
    assert not catalogue.resolve_alert("host_silent", "hv1", now)
    assert catalogue.alerts() == (second,)
    assert catalogue.open_alert("host_silent", "hv1", "again", now)


def test_the_last_good_bytes_of_a_policy_file_are_kept(catalogue: Catalogue, now: datetime) -> None:
    content = b"kind: \xff\x00"
    catalogue.keep_policy_file("finance.yaml", b"older", now)
    kept = catalogue.keep_policy_file("finance.yaml", content, now + SECOND)

    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert catalogue.policy_file("finance.yaml") == kept
    assert catalogue.policy_files() == (kept,)
    catalogue.forget_policy_file("finance.yaml")
    assert catalogue.policy_file("finance.yaml") is None


def test_a_policy_file_out_of_all_proportion_is_not_kept(
    catalogue: Catalogue, now: datetime
) -> None:
    with pytest.raises(CatalogueError, match=r"huge\.yaml"):
        catalogue.keep_policy_file("huge.yaml", bytes(journal.MOST_POLICY_BYTES + 1), now)


def test_damaged_policy_bytes_are_never_given_out(
    catalogue: Catalogue, now: datetime, database: Database
) -> None:
    catalogue.keep_policy_file("finance.yaml", b"good", now)
    with database.writing() as connection:
        connection.execute(update(policy_file).values(content=b"evil"))

    with pytest.raises(CatalogueError, match="damaged"):
        catalogue.policy_file("finance.yaml")
