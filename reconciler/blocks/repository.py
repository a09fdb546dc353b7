"""Content-addressed blocks and sealed recovery points, on any object store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

from reconciler.blocks.block_writer import PACK_TARGET_BYTES, BlockSink, TakeRoom
from reconciler.blocks.codec import Kind
from reconciler.blocks.draft import Draft
from reconciler.blocks.generations import put_next
from reconciler.blocks.head import read_head, write_head
from reconciler.blocks.header import (
    DEFAULT_BLOCK_BYTES,
    DEFAULT_NODE_FAN_OUT,
    RepositoryHeader,
    create_header,
    new_header,
    read_header,
    require_none,
)
from reconciler.blocks.index import BlockIndex
from reconciler.blocks.keys import add_key_slot, new_master, open_keys
from reconciler.blocks.layout import (
    MANIFESTS,
    PACKS,
    address_of,
    checked_id,
    head_name,
    manifest_name,
    pack_number,
    sequence_of,
    shard_folder,
    shard_of,
)
from reconciler.blocks.manifest import MOST_MANIFEST_BYTES, Manifest, parse_manifest
from reconciler.blocks.numbers import (
    PackNumbers,
    claim,
    granted_writers,
    read_grant,
)
from reconciler.blocks.objects import Objects, damaged
from reconciler.blocks.pack_reader import PackReader
from reconciler.errors import (
    BlockDamagedError,
    BlockMissingError,
    ItemNotFoundError,
    RepositoryError,
)
from reconciler.model.names import DataSourceId, RecoveryPointId
from reconciler.model.protection import Head
from reconciler.ports import ObjectStore


class Repository:
    """One repository, opened for reading, or for writing as one writer.

    Several threads may share it, each with its own draft.
    """

    def __init__(
        self, objects: Objects, header: RepositoryHeader, packs: PackReader, cache: Path
    ) -> None:
        self.packs = packs
        self._objects = objects
        self._header = header
        self._sink: BlockSink | None = None
        self._cache = cache

    @classmethod
    def create(
        cls,
        store: ObjectStore,
        *,
        block_bytes: int = DEFAULT_BLOCK_BYTES,
        node_fan_out: int = DEFAULT_NODE_FAN_OUT,
        passphrase: str | None = None,
    ) -> UUID:
        """Make a repository in an empty store; with a passphrase it is encrypted. Returns its id.

        Raises:
            RepositoryError: There is one already.
        """
        header = new_header(
            block_bytes=block_bytes, node_fan_out=node_fan_out, is_encrypted=passphrase is not None
        )
        objects = Objects(store)
        if passphrase is not None:
            require_none(objects)
            # Before the header: whoever sees a repository can open it.
            add_key_slot(objects, new_master(), header.id.bytes, passphrase)
        create_header(objects, header)
        return header.id

    @classmethod
    def open(
        cls,
        store: ObjectStore,
        *,
        cache: Path,
        writer: int | None,
        passphrase: str | None = None,
        take_room: TakeRoom | None = None,
    ) -> "Repository":
        """Open a repository; without a writer number it can only be read.

        Args:
            store: Where the objects are.
            cache: A folder of this process for the index; created, and used only for writing.
            writer: The number that `claim_writer` has granted to this server.
            passphrase: What opens an encrypted one.
            take_room: Asked before each new pack is put.

        Raises:
            RepositoryKeyError: It is encrypted, and the passphrase does not open it.
            RepositoryError: There is none, it is of another version, or the writer is unknown.
        """
        objects = Objects(store)
        header = read_header(objects)
        keys = open_keys(objects, header, passphrase)
        objects.seal_with(keys)
        packs = PackReader(objects, header, keys)
        repository = cls(objects, header, packs, cache / header.repository)
        if writer is not None:
            numbers = PackNumbers(objects, writer)
            sink = BlockSink(
                objects, packs, numbers, BlockIndex(repository.cache, header.repository)
            )
            sink.take_room = take_room or sink.take_room
            repository._sink = sink
            repository.refresh_index()
        return repository

    @staticmethod
    def claim_writer(store: ObjectStore, preferred: int | None = None, server: str = "") -> int:
        """Take a writer number for good; two servers must never use the same.

        The repository keeps which server has it.

        Raises:
            RepositoryLockedError: The preferred number is taken.
        """
        return claim(Objects(store), preferred, server)

    @property
    def id(self) -> UUID:
        """The repository's own id."""
        return self._header.id

    @property
    def is_encrypted(self) -> bool:
        """Whether blocks and documents are sealed."""
        return self._header.encryption != "none"

    @property
    def block_bytes(self) -> int:
        """Units: bytes."""
        return self._header.block_bytes

    @property
    def cache(self) -> Path:
        """The folder of this process for what can be made anew from the repository."""
        return self._cache

    def writing(self) -> BlockSink:
        """What all who write share.

        Raises:
            RepositoryError: It was opened for reading only.
        """
        if self._sink is None:
            raise RepositoryError(
                "the repository is open for reading only",
                hint="open it with the writer number that was claimed for this server",
            )
        return self._sink

    def draft(
        self,
        source: DataSourceId | None = None,
        *,
        base: RecoveryPointId | None = None,
        job: str = "",
        pack_bytes: int = PACK_TARGET_BYTES,
    ) -> Draft:
        """Start a recovery point; nothing of it is seen before it is sealed.

        While it is neither sealed nor dropped, nothing is deleted that it may use.

        Args:
            source: Of which data source; only one draft of it can be open. Without one, several.
            base: The recovery point that it will be made from: it must be there still.
            job: Who makes it, for those who ask.
            pack_bytes: How large packs become.

        Raises:
            RepositoryLockedError: Another draft of the data source is being made.
            ItemNotFoundError: The base has gone.
        """
        sink = self.writing()
        lock = sink.drafts.begun(source, job, sink.condemned.obey)
        draft = Draft(self._header, sink, lock, pack_bytes=pack_bytes)
        if source is not None and base is not None:
            try:
                draft.build_on(manifest_name(source, base))
            except FileNotFoundError as error:
                draft.drop()
                raise _no_point(source, base) from error
            except BaseException:
                draft.drop()
                raise
        return draft

    def manifest(self, source: DataSourceId, point: RecoveryPointId) -> Manifest:
        """A sealed recovery point.

        Raises:
            ItemNotFoundError: There is none of this id.
            BlockDamagedError: Its manifest is damaged.
        """
        name = manifest_name(source, point)
        try:
            data = self._objects.document(name, MOST_MANIFEST_BYTES)
        except FileNotFoundError as error:
            raise _no_point(source, point) from error
        manifest = parse_manifest(data, name)
        if (manifest.point.source, manifest.point.id) != (source, point):
            raise damaged(f"{name} is the manifest of {manifest.point.id}")
        ours = (self.block_bytes, self._header.node_fan_out)
        if any((disk.block_bytes, disk.fan_out) != ours for disk in manifest.disks):
            raise damaged(f"{name} has another block size or fan-out than the repository")
        return manifest

    def manifests(self, source: DataSourceId) -> list[RecoveryPointId]:
        """Ids of a data source's recovery points, sorted."""
        names = self._objects.names(f"{MANIFESTS}/{checked_id(source)}")
        return sorted(RecoveryPointId(name.rpartition("/")[2]) for name in names)

    def sources(self) -> list[DataSourceId]:
        """Data sources that have recovery points here, sorted."""
        names = self._objects.names(MANIFESTS)
        return sorted({DataSourceId(name.split("/")[1]) for name in names})

    def writers(self) -> Mapping[int, str]:
        """All writer numbers that were ever claimed, and the server that has each; "" if unknown.

        Raises:
            BlockDamagedError: A grant is damaged.
        """
        numbers = granted_writers(self._objects)
        return {number: read_grant(self._objects, number).server for number in numbers}

    def head(self, source: DataSourceId) -> Head | None:
        """The newest recovery point of a data source, and where changes count from."""
        return read_head(self._objects, source)

    def set_head(self, head: Head) -> None:
        """Move the head; only to a recovery point that is sealed."""
        self.writing()
        self._objects.settle(f"{MANIFESTS}/{checked_id(head.source)}")
        write_head(self._objects, head)

    def remove_head(self, source: DataSourceId) -> None:
        """Nothing is built on the data source's points any more; repeating it is no error."""
        self.writing().drafts.forget(source)
        self._objects.delete(head_name(source))

    def drop(self, source: DataSourceId, points: Sequence[RecoveryPointId]) -> None:
        """Delete recovery points for good; those that are gone already are no error.

        Raises:
            RepositoryError: One of them is the head; all were kept.
        """
        self.writing()
        head = self.head(source)
        if head is not None and head.recovery_point in points:
            raise RepositoryError(
                f"recovery point {head.recovery_point} is the head of {source}",
                hint="the newest point of a replica goes only with all of them",
            )
        for point in points:
            self._objects.delete(manifest_name(source, point))
        # Of those that were gone already: who deleted them may have died before that was durable.
        self._objects.settle(f"{MANIFESTS}/{checked_id(source)}")

    def stored_bytes(self) -> int:
        """What all packs take, of all writers. Units: bytes."""
        return sum(size for _, size in self._objects.sizes(PACKS))

    def find(self, ids: Sequence[bytes]) -> list[int]:
        """Addresses of durable blocks, 0 for others; a repository open for reading knows none."""
        return [0] * len(ids) if self._sink is None else self._sink.find(ids)

    def replace_pack(self, number: int, generation: int, data: bytes) -> None:
        """Make a pack's next generation durable, then delete those before.

        Raises:
            RepositoryLockedError: Somebody else has made it.
        """
        self.writing()
        put_next(self._objects, number, generation, data)
        self.packs.packs(shard_of(number))

    def refresh_index(self) -> None:
        """Enter the packs that the index lacks: other writers', or all for a new cache.

        Lists only the folders of packs that came after those entered before.
        """
        sink = self.writing()
        covered: dict[int, int] = {}
        before = sink.index.covered
        for writer in granted_writers(self._objects):
            start = before.get(writer, 1)
            end = read_grant(self._objects, writer).reserved
            covered[writer] = self._enter(sink.index, writer, range(start, end))
        if any(before.get(writer) != end for writer, end in covered.items()):
            sink.index.save(covered)

    def _enter(self, index: BlockIndex, writer: int, sequences: range) -> int:
        """Enter a writer's packs; returns the sequence below which all are entered."""
        if not sequences:
            return sequences.start
        first, last = (pack_number(writer, s) for s in (sequences.start, sequences.stop - 1))
        entered = sequences.start
        for shard in range(shard_of(first), shard_of(last) + 1):
            found = sorted(self.packs.packs(shard))
            self._objects.settle(shard_folder(shard))
            for number in found:
                if first <= number <= last:
                    self._enter_pack(index, number)
                    entered = sequence_of(number) + 1
        return entered

    def _enter_pack(self, index: BlockIndex, number: int) -> None:
        try:
            table = self.packs.table(number)
        except (BlockDamagedError, BlockMissingError):
            return  # the index is a guess; verify is what reports damage
        slots = table.slots(Kind.DATA)
        index.add([table.id(s) for s in slots], [address_of(number, s) for s in slots])


def _no_point(source: DataSourceId, point: RecoveryPointId) -> ItemNotFoundError:
    return ItemNotFoundError(
        f"the repository has no recovery point {point} of {source}",
        hint="list the recovery points of the machine: reconciler show",
    )
