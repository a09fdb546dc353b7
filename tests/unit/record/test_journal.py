import hashlib
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

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


def test_damaged_policy_bytes_count_as_none_until_a_good_file_replaces_them(
    catalogue: Catalogue, now: datetime, database: Database
) -> None:
    other = catalogue.keep_policy_file("hosts.yaml", b"hosts", now)
    catalogue.keep_policy_file("finance.yaml", b"good", now)
    with database.writing() as connection:
        its_row = policy_file.c.path == "finance.yaml"
        connection.execute(update(policy_file).where(its_row).values(content=b"evil"))

    with capture_logs() as told:
        assert catalogue.policy_files() == (other,)
        assert catalogue.policy_file("finance.yaml") is None
    (line,) = told
    assert (line["log_level"], line["file"]) == ("error", "finance.yaml")

    kept = catalogue.keep_policy_file("finance.yaml", b"good", now)
    assert catalogue.policy_files() == (kept, other)
