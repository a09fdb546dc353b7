"""Two writers of one repository, whose work interleaves: nothing is lost, and nothing stays."""

import gc
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.draft import Draft, DraftDisk
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.prune import prune
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import verify
from reconciler.errors import RepositoryLockedError
from reconciler.model.names import DataSourceId, RecoveryPointId
from tests.block_machine import (
    BLOCK,
    DISK,
    KEY,
    POINT,
    assert_only_used_packs,
    create,
    described,
    noise,
    read,
)

WRITERS = 2
SOURCES = [DataSourceId(f"source-{number}") for number in range(2)]
BLOCKS = 16
PACK_BYTES = 5 * BLOCK


def content(kind: int) -> bytes:
    """One block of few kinds, so that writers often find what the other one has stored."""
    return noise(kind, BLOCK) if kind else bytes(BLOCK)


@dataclass
class Open:
    """A draft, and what its disk holds so far."""

    draft: Draft
    disk: DraftDisk
    data: bytearray
    base: RecoveryPointId | None


class Sharing:
    """One repository, two servers that have it open, and all that they sealed."""

    def __init__(self, folder: Path, passphrase: str | None) -> None:
        self._root = folder / "store"
        self._root.mkdir()
        self._folder, self._passphrase = folder, passphrase
        create(self._root, passphrase)
        for _ in range(WRITERS):
            Repository.claim_writer(FolderStore(self._root))
        self.writers = [self._opened(number) for number in range(WRITERS)]
        self.open: dict[tuple[int, DataSourceId], Open] = {}
        self.sealed: dict[tuple[DataSourceId, RecoveryPointId], tuple[Manifest, bytes]] = {}
        self._made = 0

    def _opened(self, writer: int) -> Repository:
        return Repository.open(
            FolderStore(self._root),
            cache=self._folder / f"cache-{writer}",
            writer=writer + 1,
            passphrase=self._passphrase,
        )

    def reader(self) -> Repository:
        store = FolderStore(self._root)
        cache = self._folder / "none"
        return Repository.open(store, cache=cache, writer=None, passphrase=self._passphrase)

    def begin(self, writer: int, source: DataSourceId, pick: int) -> None:
        """A draft, from nothing or from any point of its source."""
        holders = [each for each in self.open if each[1] == source]
        bases = sorted(point for of, point in self.sealed if of == source)
        base = bases[pick % len(bases)] if bases and pick % 4 else None
        repository = self.writers[writer]
        if pick % 3:
            repository.refresh_index()
        try:
            draft = repository.draft(source, base=base, pack_bytes=PACK_BYTES)
        except RepositoryLockedError:
            assert holders
            return
        assert not holders
        manifest, data = self.sealed[source, base] if base else (None, bytes(BLOCKS * BLOCK))
        disk = draft.disk(described(DISK, len(data)), manifest.disks[0] if manifest else None)
        self.open[writer, source] = Open(draft, disk, bytearray(data), base)

    def put(self, writer: int, source: DataSourceId, pick: int) -> None:
        """Some blocks of a draft."""
        if (found := self.open.get((writer, source))) is None:
            return
        first, kind = BLOCKS // 2 * (pick % 2), 20 * (pick // 2 % 3)
        data = b"".join(content(kind + n) for n in range(BLOCKS // 2))
        found.disk.put(first, data)
        found.data[first * BLOCK : first * BLOCK + len(data)] = data

    def flush(self, writer: int, source: DataSourceId, _: int) -> None:
        """What a draft has so far becomes durable."""
        if found := self.open.get((writer, source)):
            found.draft.flush()

    def seal(self, writer: int, source: DataSourceId, _: int) -> None:
        """A draft becomes a point, unless its base has gone."""
        if (found := self.open.pop((writer, source), None)) is None:
            return
        self._made += 1
        point = RecoveryPointId(f"p{self._made:03}")
        found.draft.flush()
        is_base_gone = found.base is not None and (source, found.base) not in self.sealed
        try:
            manifest = found.draft.seal(replace(POINT, id=point, source=source))
        except RepositoryLockedError:
            assert is_base_gone
            found.draft.drop()
            return
        assert not is_base_gone
        self.sealed[source, point] = manifest, bytes(found.data)

    def give_up(self, writer: int, source: DataSourceId, pick: int) -> None:
        """A draft ends without a point; what it stored is kept or not."""
        if found := self.open.pop((writer, source), None):
            found.draft.drop(keeps_packs=bool(pick % 2))

    def abandon(self, writer: int, source: DataSourceId, _: int) -> None:
        """A draft ends as that of a thread that died: nobody says anything."""
        if found := self.open.pop((writer, source), None):
            found.draft._writer.give_up()  # noqa: SLF001 (who is dead puts nothing any more)
            del found
            gc.collect()

    def drop(self, writer: int, source: DataSourceId, pick: int) -> None:
        """Some points of a source expire."""
        points = sorted(point for of, point in self.sealed if of == source)
        gone = [point for n, point in enumerate(points) if pick % 2 or (pick >> n % 6) & 1]
        self.writers[writer].drop(source, gone)
        for point in gone:
            del self.sealed[source, point]

    def sweep(self, writer: int, _: DataSourceId, pick: int) -> None:
        """A prune; now and then, others work while packs go."""
        turns = [0]

        def meanwhile(_number: int) -> None:
            turns[0] += 1
            if pick % 3 == 0 and turns[0] == 1:
                other = SOURCES[pick % len(SOURCES)]
                self.begin(1 - writer, other, pick)
                self.put(1 - writer, other, pick)
                self.seal(1 - writer, other, pick)

        prune(self.writers[writer], meanwhile)

    def reopen(self, writer: int, _: DataSourceId, __: int) -> None:
        """A server starts anew; its drafts are those of a dead process."""
        for source in [source for who, source in self.open if who == writer]:
            self.abandon(writer, source, 0)
        self.writers[writer] = self._opened(writer)

    def look(self, writer: int, _: DataSourceId, __: int) -> None:
        """A server enters what the other one stored."""
        self.writers[writer].refresh_index()

    def check(self) -> None:
        """All that was sealed reads back, by somebody who knows nothing yet and by all who do."""
        for repository in (self.reader(), *self.writers):
            for (source, point), (manifest, data) in self.sealed.items():
                assert repository.manifest(source, point) == manifest
                assert read(repository, manifest) == data
        manifests = [manifest for manifest, _ in self.sealed.values()]
        assert list(verify(self.reader(), manifests, read_blocks=True)) == []

    def end(self) -> None:
        """All drafts end, and nobody goes on with them."""
        for found in self.open.values():
            found.draft.drop()
        self.open.clear()
        for source in SOURCES:
            self.writers[0].remove_head(source)
        for repository in self.writers:
            assert not prune(repository).waits_for
            assert not prune(repository).packs_deleted

    def assert_nothing_stays(self) -> None:
        repository = self.reader()
        assert_only_used_packs(repository, self._root, [m for m, _ in self.sealed.values()])
        assert list(self._root.glob("drafts/*")) == []


Step = Callable[[Sharing, int, DataSourceId, int], None]


def make(sharing: Sharing, writer: int, source: DataSourceId, pick: int) -> None:
    """A whole point."""
    for step in (Sharing.begin, Sharing.put, Sharing.seal):
        step(sharing, writer, source, pick)


def find(sharing: Sharing, writer: int, source: DataSourceId, pick: int) -> None:
    """A draft that finds what others have stored, and goes on later."""
    sharing.look(writer, source, pick)
    for step in (Sharing.begin, Sharing.put):
        step(sharing, writer, source, pick)


def expire(sharing: Sharing, writer: int, source: DataSourceId, pick: int) -> None:
    """Points go, and what only they had."""
    for step in (Sharing.drop, Sharing.sweep):
        step(sharing, writer, source, pick)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                make,
                make,
                find,
                find,
                expire,
                expire,
                Sharing.begin,
                Sharing.put,
                Sharing.flush,
                Sharing.seal,
                Sharing.seal,
                Sharing.give_up,
                Sharing.abandon,
                Sharing.drop,
                Sharing.sweep,
                Sharing.reopen,
            ]
        ),
        st.integers(0, WRITERS - 1),
        st.sampled_from(SOURCES),
        st.integers(0, 5),
    ),
    min_size=20,
    max_size=70,
)


@settings(max_examples=30)
@given(STEPS, st.sampled_from([None, KEY]))
def test_whatever_two_writers_do_nothing_is_lost_and_nothing_stays(
    steps: list[tuple[Step, int, DataSourceId, int]], passphrase: str | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        sharing = Sharing(Path(name), passphrase)
        for step, writer, source, pick in steps:
            step(sharing, writer, source, pick)
            if step in {Sharing.sweep, expire}:
                sharing.check()
        sharing.check()
        sharing.end()
        sharing.check()
        sharing.assert_nothing_stays()
