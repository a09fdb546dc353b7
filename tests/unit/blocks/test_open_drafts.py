"""A draft tells of itself: who makes it, and what becomes of it when nobody does any more."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from reconciler.blocks.condemned import Condemnation
from reconciler.blocks.document import from_bytes, to_bytes
from reconciler.blocks.draft import Draft
from reconciler.blocks.draft_record import ABANDONED, SILENCE, DraftRecord
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.objects import Objects
from reconciler.blocks.prune import Pruned, prune
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import verify
from reconciler.errors import (
    BlockDamagedError,
    RepositoryLockedError,
    RepositoryUnavailableError,
    VolumeFullError,
)
from reconciler.model.names import DataSourceId, RecoveryPointId
from reconciler.model.protection import DiskDescription, PointDescription
from reconciler.owner import this_owner

BLOCK = 4096
SOURCE = DataSourceId("source-1")
OTHERS = DataSourceId("source-2")
ELSEWHERE = "elsewhere:77:a"
MINUTE = timedelta(minutes=1)

Put = Callable[[Repository, DataSourceId, bytes], Draft]
Seal = Callable[[Repository, str, bytes], Manifest]

CHILD = """
import sys
from pathlib import Path
from reconciler.adapters.stores import FolderStore
from reconciler.blocks.repository import Repository
from reconciler.model.names import DataSourceId
from tests.block_machine import BLOCK, DISK, described, noise

root, cache, *key = sys.argv[1:]
repository = Repository.open(
    FolderStore(Path(root)), cache=Path(cache), writer=1, passphrase=key[0] if key else None
)
draft = repository.draft(DataSourceId("source-1"), job="job-9")
draft.disk(described(DISK, 20 * BLOCK), None).put(0, noise(1, 20 * BLOCK))
draft.flush()
print(flush=True)
sys.stdin.read()
"""


def content(blocks: int, first: int = 1) -> bytes:
    return b"".join((first + n).to_bytes(8, "little") * (BLOCK // 8) for n in range(blocks))


def packs(root: Path) -> list[Path]:
    return sorted(root.glob("packs/*/*/*"))


@pytest.fixture
def put(make_disk: Callable[[int], DiskDescription]) -> Put:
    """Begins a draft and puts a disk into it."""

    def make(repository: Repository, source: DataSourceId, data: bytes) -> Draft:
        draft = repository.draft(source, job="job-9")
        draft.disk(make_disk(len(data)), None).put(0, data)
        return draft

    return make


class Records:
    """The records of drafts as they are in the store, to be read and forged."""

    def __init__(self, root: Path, repository: Repository) -> None:
        self.root = root
        self._objects = repository.writing().objects

    @property
    def names(self) -> list[str]:
        return sorted(each.name for each in self.root.glob("drafts/*"))

    def of(self, source: DataSourceId) -> DraftRecord:
        name = f"drafts/{source}"
        return from_bytes(DraftRecord, self._objects.document(name, 1 << 20), name)

    def change(self, source: DataSourceId, **fields: object) -> None:
        changed = {name: getattr(self.of(source), name) for name in DraftRecord.__struct_fields__}
        record = DraftRecord(**(changed | fields))
        self._objects.put_document(f"drafts/{source}", to_bytes(record))

    def make_older(self, source: DataSourceId, age: timedelta) -> None:
        file = self.root / "drafts" / source
        then = file.stat().st_mtime - age.total_seconds()
        os.utime(file, (then, then))


@pytest.fixture
def records(root: Path, repository: Repository) -> Records:
    return Records(root, repository)


def test_whoever_finds_a_draft_is_told_who_makes_it_and_since_when(
    repository: Repository, other: Repository, put: Put, records: Records
) -> None:
    draft = put(repository, SOURCE, content(3))
    records.make_older(SOURCE, timedelta(minutes=10))
    began = datetime.fromtimestamp(
        (records.root / "drafts" / SOURCE).stat().st_mtime,
        UTC,
    )
    host, process, _ = this_owner().split(":")

    with pytest.raises(RepositoryLockedError) as caught:
        other.draft(SOURCE)

    message = caught.value.message
    assert f"process {process} on {host} " in message
    assert SOURCE in message
    assert f"since {began:%Y-%m-%d %H:%M} UTC" in message
    assert caught.value.facts["job"] == "job-9"
    draft.drop()
    other.draft(SOURCE).drop()
    assert records.names == []


def test_since_when_is_not_changed_by_the_beats(
    repository: Repository, other: Repository, put: Put, records: Records
) -> None:
    draft = put(repository, SOURCE, content(3))
    records.make_older(SOURCE, timedelta(minutes=20))
    began = (records.root / "drafts" / SOURCE).stat().st_mtime

    draft._lock.renew()  # noqa: SLF001 (a beat comes every two minutes only)

    with pytest.raises(
        RepositoryLockedError, match=f"since {datetime.fromtimestamp(began, UTC):%Y-%m-%d %H:%M}"
    ):
        other.draft(SOURCE)
    assert (records.root / "drafts" / SOURCE).stat().st_mtime > began + 600


def test_drafts_of_several_sources_and_of_none_are_made_side_by_side(
    repository: Repository, other: Repository, records: Records
) -> None:
    drafts = [repository.draft(SOURCE), other.draft(OTHERS), other.draft(), other.draft()]

    assert len(records.names) == 4
    for draft in drafts:
        draft.drop()
    assert records.names == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_draft_of_a_process_that_was_killed_is_gone_on_with(
    opened: Callable[[], Repository], root: Path, tmp_path: Path, passphrase: str | None, put: Put
) -> None:
    words = [sys.executable, "-c", CHILD, f"{root}", f"{tmp_path / 'child'}"]
    with subprocess.Popen(
        [*words, *([passphrase] if passphrase else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
        heir = opened()
        with pytest.raises(RepositoryLockedError, match=f"process {child.pid} on"):
            heir.draft(SOURCE)
        child.kill()
        child.wait()

        draft = heir.draft(SOURCE)

    assert draft.is_resumed
    stored = packs(root)
    assert stored
    assert prune(heir) == Pruned()  # nobody but the next draft may still want it
    draft.drop(keeps_packs=False)
    assert prune(heir).packs_deleted == len(stored)


def test_the_draft_of_another_host_is_broken_only_after_a_long_silence(
    repository: Repository, other: Repository, put: Put, records: Records
) -> None:
    theirs = put(other, SOURCE, content(3))
    records.change(SOURCE, owner=ELSEWHERE)
    records.make_older(SOURCE, SILENCE - MINUTE)

    with pytest.raises(RepositoryLockedError, match="process 77 on elsewhere"):
        repository.draft(SOURCE)
    assert [each.owner for each in repository.writing().drafts.records()] == [ELSEWHERE]

    records.make_older(SOURCE, MINUTE)
    draft = repository.draft(SOURCE)
    assert draft.is_resumed
    assert records.of(SOURCE).owner == this_owner()
    theirs.drop()
    assert records.of(SOURCE).owner == this_owner()  # what is not its own it leaves alone
    draft.drop()


def test_who_was_taken_for_dead_cannot_seal(
    repository: Repository,
    other: Repository,
    put: Put,
    records: Records,
    root: Path,
    make_point: Callable[[str], PointDescription],
) -> None:
    draft = put(repository, SOURCE, content(3))
    draft.flush()
    records.change(SOURCE, owner=ELSEWHERE)
    records.make_older(SOURCE, SILENCE)
    heir = other.draft(SOURCE)

    with pytest.raises(RepositoryLockedError, match="taken for dead"):
        draft.seal(make_point("p1"))
    assert list(root.glob("manifests/*/*")) == []
    draft.drop()

    heir.flush()
    heir.seal(make_point("p2"))
    assert [file.name for file in root.glob("manifests/*/*")] == ["p2"]


def test_who_is_taken_for_dead_while_it_seals_takes_its_manifest_back(
    repository: Repository,
    other: Repository,
    put: Put,
    records: Records,
    root: Path,
    make_point: Callable[[str], PointDescription],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draft = put(repository, SOURCE, content(3))
    draft.flush()
    create = Objects.create_document
    made: list[str] = []

    def late(objects: Objects, name: str, data: bytes) -> None:
        if name.startswith("manifests/"):
            records.change(SOURCE, owner=ELSEWHERE)
            records.make_older(SOURCE, SILENCE)
            other.writing().drafts.records()
            made.append(name)
        create(objects, name, data)

    monkeypatch.setattr(Objects, "create_document", late)
    with pytest.raises(RepositoryLockedError, match="taken for dead"):
        draft.seal(make_point("p1"))

    assert made
    assert list(root.glob("manifests/*/*")) == []


def test_a_beat_that_hung_for_too_long_does_not_bring_a_draft_back(
    repository: Repository,
    other: Repository,
    put: Put,
    records: Records,
    root: Path,
    make_point: Callable[[str], PointDescription],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draft = put(repository, SOURCE, content(3))
    draft.flush()
    put_document = Objects.put_document
    hung: list[str] = []

    def late(objects: Objects, name: str, data: bytes) -> None:
        if not hung:
            # The owner has looked, and found itself; now its put hangs for half an hour.
            hung.append(name)
            records.change(SOURCE, owner=ELSEWHERE)
            records.make_older(SOURCE, SILENCE)
            (broken,) = other.writing().drafts.records()
            assert not broken.owner
        put_document(objects, name, data)

    records.make_older(SOURCE, SILENCE)
    monkeypatch.setattr(Objects, "put_document", late)
    with pytest.raises(RepositoryLockedError, match="taken for dead"):
        draft._lock.renew()  # noqa: SLF001 (a beat comes every two minutes only)

    assert hung == [f"drafts/{SOURCE}"]
    with pytest.raises(RepositoryLockedError, match="taken for dead"):
        draft.seal(make_point("p1"))
    assert list(root.glob("manifests/*/*")) == []


def test_a_draft_with_nothing_to_do_lives_as_long_as_another_of_its_process_is_at_work(
    repository: Repository, put: Put, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.blocks.open_drafts._BEAT_S", -1.0)
    idle = put(repository, SOURCE, content(3))
    idle.flush()
    records.make_older(SOURCE, SILENCE - MINUTE)

    put(repository, OTHERS, content(3))

    silent_since = (records.root / "drafts" / SOURCE).stat().st_mtime
    assert silent_since > (records.root / "drafts" / OTHERS).stat().st_mtime - 60
    idle.require()


def test_a_point_is_not_sealed_when_its_base_was_deleted(
    repository: Repository,
    other: Repository,
    seal: Seal,
    make_disk: Callable[[int], DiskDescription],
    make_point: Callable[[str], PointDescription],
    root: Path,
) -> None:
    """What is condemned may be of use again because of a draft that began before, and its point."""
    seal(repository, "gone", content(20))
    other.refresh_index()
    repository.drop(SOURCE, [RecoveryPointId("gone")])
    before = other.draft(SOURCE)
    before.disk(make_disk(20 * BLOCK), None).put(0, content(20))  # found
    before.flush()
    assert prune(repository).waits_for  # condemned now
    base = before.seal(make_point("base"))
    draft = other.draft(SOURCE, base=RecoveryPointId("base"))
    draft.disk(make_disk(20 * BLOCK), base.disks[0]).put(0, content(1, first=900))
    draft.flush()
    repository.drop(SOURCE, [RecoveryPointId("base")])
    assert prune(repository).packs_deleted > 0  # the draft has said that it obeys

    with pytest.raises(RepositoryLockedError, match="built on it"):
        draft.seal(make_point("p1"))
    assert list(root.glob("manifests/*/*")) == []


def test_what_a_dropped_draft_stored_is_kept_for_the_next_of_its_source(
    repository: Repository,
    put: Put,
    records: Records,
    root: Path,
    make_point: Callable[[str], PointDescription],
) -> None:
    draft = put(repository, SOURCE, content(20))
    draft.flush()
    draft.drop()
    stored = packs(root)
    assert stored
    assert records.of(SOURCE).owner == ""
    assert prune(repository) == Pruned()
    assert packs(root) == stored

    again = put(repository, SOURCE, content(20))
    assert again.is_resumed
    assert records.of(SOURCE).first == 1
    again.flush()
    sealed = again.seal(make_point("p1"))
    assert sealed.statistics.blocks_new == 0
    assert records.names == []
    assert prune(repository) == Pruned()
    assert list(verify(repository, [sealed], read_blocks=True)) == []


def test_what_was_stored_goes_once_nobody_will_go_on_with_it(
    repository: Repository, put: Put, records: Records, root: Path
) -> None:
    draft = put(repository, SOURCE, content(20))
    draft.flush()
    draft.drop()

    records.make_older(SOURCE, ABANDONED - MINUTE)
    assert prune(repository) == Pruned()
    records.make_older(SOURCE, MINUTE)
    assert prune(repository).packs_deleted == 1
    assert packs(root) == []
    assert records.names == []


def test_a_draft_that_stored_nothing_leaves_nothing(
    repository: Repository, put: Put, records: Records
) -> None:
    with put(repository, SOURCE, bytes(5 * BLOCK)):
        pass

    assert records.names == []


def test_a_draft_for_which_there_is_no_room_keeps_nothing(
    repository: Repository, put: Put, records: Records, root: Path
) -> None:
    draft = put(repository, SOURCE, content(20))
    draft.flush()
    with pytest.raises(VolumeFullError), draft:
        raise VolumeFullError("no room", hint="make some")

    assert records.names == []
    assert prune(repository).packs_deleted == 1
    assert packs(root) == []


def test_the_packs_of_a_draft_that_is_dropped_arrive_before_it_is_forgotten(
    repository: Repository,
    make_disk: Callable[[int], DiskDescription],
    root: Path,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a prune would look for them too early, and never again."""
    create, arrives = Objects.create, Event()

    def slow(objects: Objects, name: str, data: bytes) -> None:
        if name.startswith("packs/"):
            assert arrives.wait(30)
        create(objects, name, data)

    monkeypatch.setattr(Objects, "create", slow)
    draft = repository.draft(SOURCE, pack_bytes=5 * BLOCK)
    draft.disk(make_disk(20 * BLOCK), None).put(0, os.urandom(8 * BLOCK))
    assert packs(root) == []
    dropping = Thread(target=draft.drop)
    dropping.start()
    dropping.join(0.2)
    assert dropping.is_alive()
    assert records.of(SOURCE).owner
    arrives.set()
    dropping.join()

    assert len(packs(root)) == 1
    assert records.of(SOURCE).owner == ""
    repository.remove_head(SOURCE)
    assert prune(repository).packs_deleted == 1
    assert packs(root) == []


def test_a_record_that_is_damaged_may_be_of_a_living_draft_for_a_while(
    repository: Repository, seal: Seal, put: Put, records: Records, root: Path
) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [RecoveryPointId("p1")])
    put(repository, OTHERS, bytes(BLOCK))
    file = root / "drafts" / OTHERS
    file.write_bytes(file.read_bytes()[:-9] + b"damaged!!")

    with pytest.raises(BlockDamagedError):
        prune(repository)
    with pytest.raises(BlockDamagedError):
        repository.draft(OTHERS)
    assert packs(root)

    records.make_older(OTHERS, SILENCE)
    assert prune(repository).packs_deleted == 1
    assert records.names == []


def test_of_a_source_that_is_given_up_nothing_is_kept(
    repository: Repository, put: Put, records: Records, root: Path
) -> None:
    for source in (SOURCE, OTHERS):
        draft = put(repository, source, content(20))
        draft.flush()
        draft.drop()

    repository.remove_head(SOURCE)
    repository.remove_head(SOURCE)

    assert records.names == [OTHERS]
    repository.remove_head(OTHERS)
    prune(repository)
    assert packs(root) == []


def test_an_open_draft_is_not_given_up_with_its_source(
    repository: Repository, put: Put, make_point: Callable[[str], PointDescription]
) -> None:
    draft = put(repository, SOURCE, content(20))
    repository.remove_head(SOURCE)
    draft.flush()

    assert draft.seal(make_point("p1")).statistics.blocks_new == 20


def test_a_draft_that_cannot_tell_what_is_condemned_does_not_begin(
    repository: Repository, other: Repository, seal: Seal, root: Path, records: Records
) -> None:
    seal(repository, "p1", content(20))
    repository.drop(SOURCE, [RecoveryPointId("p1")])
    with other.draft(OTHERS):
        assert prune(repository).waits_for
    file = root / "condemned" / "1"
    file.write_bytes(file.read_bytes()[:-9] + b"damaged!!")

    with pytest.raises(BlockDamagedError):
        other.draft(OTHERS)
    gc.collect()
    assert records.names == []  # and others do not wait for it


def test_a_draft_whose_base_cannot_be_looked_for_does_not_begin(
    repository: Repository, seal: Seal, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(repository, "p1", content(20))

    def fails(objects: Objects, name: str) -> int:
        raise RepositoryUnavailableError(f"{name} of {objects}", hint="wait")

    monkeypatch.setattr(Objects, "size", fails)
    with pytest.raises(RepositoryUnavailableError):
        repository.draft(SOURCE, base=RecoveryPointId("p1"))
    assert records.names == []


def test_the_clock_of_the_store_is_asked_without_giving_numbers_back(
    repository: Repository, opened: Callable[[], Repository], root: Path, seal: Seal
) -> None:
    """A process that was stopped and runs on must not undo what its heir has taken."""
    heir = opened()
    sealed = seal(heir, "p1", content(3))
    repository.writing().numbers.store_time()
    again = seal(opened(), "p2", content(3, first=50))

    assert len(packs(root)) == 2
    for each in (sealed, again):
        assert list(verify(heir, [each], read_blocks=True)) == []


def test_what_is_condemned_names_its_writer(
    repository: Repository, other: Repository, root: Path
) -> None:
    theirs = Condemnation(writer=2, number=3, packs={"5": ()})
    repository.writing().objects.put_document("condemned/1", to_bytes(theirs))

    with pytest.raises(BlockDamagedError, match="writer 2"):
        other.draft(SOURCE)
    assert list((root / "drafts").glob("*")) == []
