"""A recovery point in the making."""

from collections.abc import Sequence
from contextlib import suppress
from threading import RLock
from types import TracebackType
from typing import Self

from reconciler.blocks.arrays import Addresses, Booleans, held_runs, np
from reconciler.blocks.block_writer import BlockSink, BlockWriter
from reconciler.blocks.codec import Bytes
from reconciler.blocks.header import RepositoryHeader
from reconciler.blocks.layout import manifest_name
from reconciler.blocks.manifest import DiskManifest, Manifest, Statistics, manifest_bytes
from reconciler.blocks.open_drafts import DraftLock
from reconciler.blocks.tree import DraftTree, TreeShape
from reconciler.errors import RepositoryError, RepositoryLockedError, VolumeFullError
from reconciler.model.protection import DiskDescription, PointDescription
from reconciler.model.ranges import ByteRange, clipped, merged, subtracted


class DraftDisk:
    """One disk of a draft: the base's blocks until they are put or cleared."""

    def __init__(
        self,
        header: RepositoryHeader,
        writer: BlockWriter,
        description: DiskDescription,
        base: DiskManifest | None,
    ) -> None:
        self.description = description
        self.block_bytes = header.block_bytes
        self.size = description.geometry.virtual_bytes
        self.block_count = -(-self.size // self.block_bytes)
        self.bytes_read = 0
        """Counted by whoever reads the source."""
        self._header = header
        self._writer = writer
        self._lock = RLock()
        shape = TreeShape(self.block_count, header.node_fan_out)
        tree = None if base is None else base.tree
        self._tree = DraftTree(shape, writer.load_node, writer.store_node, tree)
        self.left_out = tuple(ByteRange(each.start, each.end) for each in description.left_out)
        """What is never read: the base's blocks stay, whatever the source holds now."""
        self.stale = self._stale(base)
        """What the base has left out, so that it holds older bytes there."""
        self.must_read = self._unknown(base) + subtracted(self.stale, self.left_out)
        """What the base cannot tell: the whole disk without one, the end of one that changed size,
        and what it left out where that is not left out again.
        """

    @property
    def is_dirty(self) -> bool:
        """Whether `flush` has anything to do for this disk."""
        return self._tree.is_dirty

    def put(self, first_block: int, data: Bytes) -> None:
        """Give consecutive blocks their content; several threads may.

        Shape: whole blocks; only the last block of the disk may be short.
        """
        self.put_all([(first_block, data)])

    def put_all(self, parts: Sequence[tuple[int, Bytes]]) -> None:
        """As `put`, of several parts of the disk together.

        Shape: (first block, data).
        """
        self._writer.beat()
        views = [self._whole_blocks(first_block, data) for first_block, data in parts]
        addresses = self._writer.blocks(views, self.block_bytes)
        with self._lock:
            at = 0
            for (first_block, _), view in zip(parts, views, strict=True):
                end = at + len(view) // self.block_bytes
                self._tree.set(first_block, addresses[at:end])
                at = end

    def _whole_blocks(self, first_block: int, data: Bytes) -> memoryview:
        view = memoryview(data).cast("B")
        end = first_block * self.block_bytes + len(view)
        is_whole = len(view) % self.block_bytes == 0 or end == self.size
        if first_block < 0 or end > self.block_count * self.block_bytes or not is_whole:
            raise ValueError(
                f"{len(view)} bytes at block {first_block} are not whole blocks of the disk"
            )
        if padding := -len(view) % self.block_bytes:
            view = memoryview(bytes(view) + bytes(padding))
        if end > self.size and any(view[self.size - end :]):
            raise ValueError("the last block holds bytes beyond the end of the disk")
        return view

    def clear(self, first_block: int, end_block: int) -> None:
        """Make blocks zero; costs nothing for what is zero already."""
        if not 0 <= first_block <= end_block <= self.block_count:
            raise ValueError(f"blocks {first_block}..{end_block} are not all of the disk")
        with self._lock:
            self._tree.clear(first_block, end_block)

    def addresses(self, first_block: int, count: int) -> Addresses:
        """Where consecutive blocks are as the draft stands."""
        self._writer.beat()
        with self._lock:
            return self._tree.addresses(first_block, count)

    def adopt(self, first_block: int, digests: Sequence[bytes]) -> Booleans:
        """Give consecutive blocks the content of these SHA-256, where it is stored already.

        So nothing that an interrupted draft has stored has to be read again; several threads may.

        Shape: a digest for each block; the result tells of each whether it was stored, or zeros.
        """
        self._writer.beat()
        packs = self._writer.sink.packs
        ids = [packs.id_of(digest) for digest in digests]
        addresses = np.array(self._writer.sink.find(ids), np.uint64)
        is_zero = np.array([each == packs.tables.zero_id for each in ids], np.bool_)
        is_stored: Booleans = (addresses != 0) | is_zero
        with self._lock:
            for lower, upper in held_runs(is_stored):
                self._tree.set(first_block + lower, addresses[lower:upper])
        return is_stored

    def write_nodes(self) -> None:
        """Store the nodes that changed."""
        self._tree.write()

    def sealed(self) -> DiskManifest:
        """The disk for the manifest; only when nothing is left to write."""
        return DiskManifest(
            self.description, self.block_bytes, self._header.node_fan_out, self._tree.write()
        )

    def _stale(self, base: DiskManifest | None) -> tuple[ByteRange, ...]:
        parts = () if base is None else base.description.left_out
        return merged(clipped((ByteRange(each.start, each.end) for each in parts), self.size))

    def _unknown(self, base: DiskManifest | None) -> tuple[ByteRange, ...]:
        if base is None:
            return (ByteRange(0, self.size),)
        if base.virtual_bytes < self.size:
            start = base.virtual_bytes // self.block_bytes * self.block_bytes
            return (ByteRange(start, self.size),)
        last = self.size // self.block_bytes
        if base.virtual_bytes > self.size and last < self.block_count:
            # The base's block holds bytes that are beyond the end now.
            self._tree.clear(last, self.block_count)
            return (ByteRange(last * self.block_bytes, self.size),)
        return ()


class Draft:
    """Disks being written, then sealed as one recovery point; one thread.

    Nothing of it can be seen before `seal`: what a broken draft leaves are packs that no manifest
    names.
    """

    def __init__(
        self, header: RepositoryHeader, sink: BlockSink, lock: DraftLock, *, pack_bytes: int
    ) -> None:
        self.is_resumed = lock.is_resumed
        """Whether an earlier draft of the data source was left with something stored."""
        self._header = header
        self._sink = sink
        self._lock = lock
        self._writer = BlockWriter(sink, pack_bytes=pack_bytes, beat=lambda: sink.drafts.beat(lock))
        self._disks: list[DraftDisk] = []
        self._base: str | None = None
        self._is_open = True

    @property
    def is_open(self) -> bool:
        """Whether it may still be sealed."""
        return self._is_open

    def drop(self, *, keeps_packs: bool = True) -> None:
        """It will not be sealed. Dropping it again, or when it was sealed, changes nothing.

        Args:
            keeps_packs: Whether what it has stored is kept a while for the next of its source.
        """
        if self._is_open:
            self._is_open = False
            self._writer.give_up()
            has_stored = self._writer.bytes_stored > 0 or self.is_resumed
            self._lock.release(keeps_packs=keeps_packs and has_stored)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        # Where there is no room, the others that live there need it now.
        self.drop(keeps_packs=not isinstance(error, VolumeFullError))

    def build_on(self, base: str) -> None:
        """Begin with the blocks of a sealed point: its manifest must be there until the seal.

        Raises:
            FileNotFoundError: It has gone.
        """
        self._base = base
        self._sink.objects.size(base)

    def disk(self, description: DiskDescription, base: DiskManifest | None) -> DraftDisk:
        """Start a disk from a base of this repository, or from zeros; the size may differ."""
        if any(disk.description.id == description.id for disk in self._disks):
            raise ValueError(f"disk {description.id} is in the draft already")
        ours = (self._header.block_bytes, self._header.node_fan_out)
        if base is not None and (base.block_bytes, base.fan_out) != ours:
            raise ValueError("the base is of another repository")
        disk = DraftDisk(self._header, self._writer, description, base)
        self._disks.append(disk)
        return disk

    @property
    def statistics(self) -> Statistics:
        """What the draft took so far; bytes of the open pack are not counted yet."""
        return Statistics(
            bytes_read=sum(disk.bytes_read for disk in self._disks),
            bytes_stored=self._writer.bytes_stored,
            blocks_new=self._writer.blocks_new,
        )

    def flush(self) -> None:
        """Make all blocks and nodes durable."""
        for disk in self._disks:
            disk.write_nodes()
        self._writer.flush()

    def seal(self, point: PointDescription) -> Manifest:
        """Write the manifest: from here on the recovery point exists.

        Raises:
            RepositoryError: A recovery point of this id is there already, with other content.
            RepositoryLockedError: It was taken for dead meanwhile, or the point that it is built
                on was deleted; nothing was sealed.
            ValueError: `flush` has not been called since the last change, or it was dropped.
        """
        if not self._is_open:
            raise ValueError("the draft was sealed or dropped before")
        if any(disk.is_dirty for disk in self._disks) or self._writer.is_open:
            raise ValueError("flush the draft before it is sealed")
        manifest = Manifest(
            point,
            tuple(disk.sealed() for disk in self._disks),
            self._sink.numbers.writer,
            self.statistics,
        )
        self._commit(manifest_name(point.source, point.id), manifest_bytes(manifest))
        # The point exists from here on. The index is a cache: what it lacks is entered again when
        # the repository is opened next, so a full disk under it must not look like a failed seal.
        with suppress(OSError, RepositoryError):
            self._sink.save_index()
        self._is_open = False
        self._lock.release(keeps_packs=False)
        return manifest

    def _commit(self, name: str, data: bytes) -> None:
        """Put the manifest while the draft is ours.

        Who is taken for dead loses what it built on, so it must notice, however long it slept and
        wherever.
        """
        self._sink.drafts.beat(self._lock)
        self.require()
        self._create(name, data)
        try:
            self.require()
        except RepositoryLockedError:
            self._sink.objects.delete(name)
            raise

    def require(self) -> None:
        """Make sure that nothing was deleted that the draft is made of.

        Blocks that the base refers to may have been condemned before the draft began, and found of
        use only because of the base. So it must be there when the manifest is.

        Raises:
            RepositoryLockedError: As in `seal`.
        """
        self._lock.require()
        try:
            if self._base is not None:
                self._sink.objects.size(self._base)
        except FileNotFoundError as error:
            raise RepositoryLockedError(
                f"{self._base} was deleted, and the new recovery point was built on it",
                hint="the next pass makes the recovery point anew",
            ) from error

    def _create(self, name: str, data: bytes) -> None:
        try:
            self._sink.objects.create_document(name, data)
        except FileExistsError as error:
            # A store may have written it and lost the answer, or be about to sync it.
            self._sink.objects.settle(name.rpartition("/")[0])
            if self._sink.objects.document(name, len(data)) != data:
                raise RepositoryError(
                    f"{name} is there already; a sealed recovery point is never changed",
                    hint="give the new recovery point an id of its own",
                ) from error
