"""Where new blocks go: each thread fills a pack of its own, one more thread makes them durable."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, Semaphore
from typing import Final

from reconciler.blocks.arrays import Addresses, Booleans, np
from reconciler.blocks.codec import Bytes, Codec, Kind, block_hash, data_blocks, node_from
from reconciler.blocks.condemned import Condemned
from reconciler.blocks.index import BlockIndex
from reconciler.blocks.layout import address_of, pack_name, pack_of, slot_of
from reconciler.blocks.numbers import PackNumbers
from reconciler.blocks.objects import Objects
from reconciler.blocks.open_drafts import OpenDrafts
from reconciler.blocks.pack import PackBuilder
from reconciler.blocks.pack_reader import PackReader
from reconciler.errors import RepositoryLockedError

PACK_TARGET_BYTES: Final = 16 << 20
TakeRoom = Callable[[int], None]
"""Told the size of each new pack before it is put; raises VolumeFullError where there is no room.
What prunes and repairs asks nobody: the room that is kept free is for it."""
_PACKS_WAITING: Final = 2
"""Full packs that wait to be durable; whoever fills another one waits with it."""


class BlockSink:
    """What all writers of one open repository share."""

    def __init__(
        self, objects: Objects, packs: PackReader, numbers: PackNumbers, index: BlockIndex
    ) -> None:
        self.objects = objects
        self.packs = packs
        self.numbers = numbers
        self.index = index
        self.condemned = Condemned(objects, numbers.writer, packs.doubt)
        self.drafts = OpenDrafts(objects, numbers)
        self.take_room: TakeRoom = lambda _: None

    def find(self, ids: Sequence[bytes]) -> list[int]:
        """Addresses of blocks that are durable already, 0 for the others.

        The index only guesses: the table of the pack must hold the very id. What is condemned is
        not offered.
        """
        refused = self.condemned.refused  # before the tables are asked, which forget it later
        guesses = self.index.find(ids)
        addresses = [
            address if address and self.packs.known_id(address) == block_id else 0
            for address, block_id in zip(guesses, ids, strict=True)
        ]
        if refused is None:
            return addresses
        is_refused = refused(np.array(addresses, np.uint64)).tolist()
        return [0 if no else address for address, no in zip(addresses, is_refused, strict=True)]

    def write(self, pack: PackBuilder) -> int:
        """Put a pack; on return it is durable and others find its blocks.

        Returns:
            Its size in bytes.

        Raises:
            RepositoryLockedError: Another process writes with our writer number.
            VolumeFullError: There is no room for it; nothing was put.
        """
        number = pack.identity.number
        table = pack.table()
        data = pack.finish(table)
        self.take_room(len(data))
        try:
            self.objects.create(pack_name(number, 0), data)
        except FileExistsError as error:
            raise RepositoryLockedError(
                f"pack {pack_name(number, 0)} is there already: writer number "
                f"{self.numbers.writer} is used by another process",
                hint="stop the other process, or claim another writer number for this one",
            ) from error
        self.packs.added(number, table)
        slots = table.slots(Kind.DATA)
        self.index.add(
            [table.id(slot) for slot in slots], [address_of(number, slot) for slot in slots]
        )
        self.numbers.settled(number)
        return len(data)

    def save_index(self) -> None:
        """Write the index down; it covers all that is durable of ours."""
        self.index.save({self.numbers.writer: self.numbers.all_settled_below})


@dataclass(frozen=True, slots=True)
class Stored:
    """Where consecutive blocks are."""

    addresses: Addresses
    is_shared: Booleans
    """Which of them were there before, for this or another disk; zeros were not."""


class BlockWriter:
    """Stores the blocks of one draft that are new; several threads may share it.

    Each takes an idle stream for a moment, so there are as many open packs as threads at work.
    """

    def __init__(self, sink: BlockSink, *, pack_bytes: int, beat: Callable[[], None]) -> None:
        self.sink = sink
        self.beat = beat
        """Called often: whoever makes the draft is alive."""
        self.pack_bytes = pack_bytes
        self.fresh: dict[bytes, int] = {}
        """Blocks of packs that are not durable yet, which only this draft may refer to."""
        self.bytes_stored = 0
        self.blocks_new = 0
        self._open: dict[int, PackBuilder] = {}
        self._streams: list[BlockStream] = []
        self._idle: list[BlockStream] = []
        self._buffers: list[bytearray] = []
        self._lock = Lock()
        self._room = Semaphore(_PACKS_WAITING)
        self._sealer: ThreadPoolExecutor | None = None
        self._sealing: list[Future[None]] = []

    @property
    def is_open(self) -> bool:
        """Whether something is stored that is not durable."""
        return bool(self._open)

    def blocks(self, plain: memoryview, block_bytes: int) -> "Stored":
        """Store whole data blocks where they are new.

        Shape: `plain` is a multiple of `block_bytes` long.
        """
        with self._stream() as stream:
            return stream.blocks(plain, block_bytes)

    def store_node(self, plain: bytes) -> int:
        """Append a node; returns its address."""
        with self._stream() as stream:
            return stream.append(plain, Kind.NODE, self.sink.packs.id_of(block_hash(plain)))

    @contextmanager
    def _stream(self) -> Iterator["BlockStream"]:
        """A stream for the calling thread; the one that was used last, so that its pack fills."""
        with self._lock:
            stream = self._idle.pop() if self._idle else None
        if stream is None:
            stream = BlockStream(self)
            with self._lock:
                self._streams.append(stream)
        try:
            yield stream
        finally:
            with self._lock:
                self._idle.append(stream)

    def load_node(self, address: int) -> Addresses:
        """A node, also one that is not durable yet."""
        if (pack := self._open.get(pack_of(address))) is not None:
            return node_from(pack.plain(slot_of(address)))
        return self.sink.packs.node(address)

    def flush(self) -> None:
        """Make everything durable that was stored so far; no thread may be storing.

        Raises:
            RepositoryError: A pack could not be put; the draft cannot be sealed any more.
        """
        for stream in self._streams:
            stream.close()
        self._wait(self._sealing)
        self._sealing.clear()
        if self._sealer is not None:
            self._sealer.shutdown()
            self._sealer = None

    def give_up(self) -> None:
        """Wait for what is on its way to the store; what was not handed over is lost."""
        if self._sealer is not None:
            self._sealer.shutdown(cancel_futures=True)
        for number in list(self._open):
            self.sink.numbers.settled(number)  # it will never be

    def begun(self, codec: Codec) -> PackBuilder:
        """A new pack of a stream."""
        number = self.sink.numbers.take()
        with self._lock:
            buffer = self._buffers.pop() if self._buffers else bytearray()
        pack = PackBuilder(self.sink.packs.identity(number), codec, self.pack_bytes, buffer)
        self._open[number] = pack
        return pack

    def filled(self, pack: PackBuilder, fresh: Iterable[bytes], blocks_new: int) -> None:
        """Hand a pack over to be made durable; waits while too many do.

        Raises:
            RepositoryError: One that was handed over before could not be put.
        """
        self._room.acquire()
        with self._lock:
            done = [each for each in self._sealing if each.done()]
            self._sealing = [each for each in self._sealing if not each.done()]
            if self._sealer is None:
                self._sealer = ThreadPoolExecutor(1, "packs")
            self._sealing.append(self._sealer.submit(self._seal, pack, fresh, blocks_new))
        self._wait(done)

    def _seal(self, pack: PackBuilder, fresh: Iterable[bytes], blocks_new: int) -> None:
        try:
            stored = self.sink.write(pack)
        finally:
            self._room.release()
        self.beat()
        self.bytes_stored += stored
        self.blocks_new += blocks_new
        # The index finds them from here on.
        for block_id in fresh:
            del self.fresh[block_id]
        del self._open[pack.identity.number]
        with self._lock:
            self._buffers.append(pack.buffer)

    @staticmethod
    def _wait(sealing: Sequence[Future[None]]) -> None:
        for each in sealing:
            each.result()


class BlockStream:
    """Stores blocks in packs of its own; one thread."""

    def __init__(self, writer: BlockWriter) -> None:
        self._writer = writer
        self._codec = Codec()
        self._pack: PackBuilder | None = None
        self._fresh: list[bytes] = []

    def blocks(self, plain: memoryview, block_bytes: int) -> Stored:
        """Store whole data blocks where they are new.

        Shape: `plain` is a multiple of `block_bytes` long.
        """
        rows = np.frombuffer(plain, np.uint64).reshape(-1, block_bytes // 8)
        addresses = np.zeros(len(rows), np.uint64)
        is_shared = np.zeros(len(rows), np.bool_)
        present = data_blocks(rows)
        if present:
            parts = [plain[row * block_bytes : (row + 1) * block_bytes] for row in present]
            packs = self._writer.sink.packs
            ids = [packs.id_of(block_hash(part)) for part in parts]
            found = self._writer.sink.find(ids)
            stored = map(self._stored, parts, ids, found)
            for row, (address, was_there) in zip(present, stored, strict=True):
                addresses[row] = address
                is_shared[row] = was_there
        return Stored(addresses, is_shared)

    def append(self, plain: Bytes, kind: Kind, block_id: bytes) -> int:
        """Store a block that nobody asked for before; returns its address."""
        pack = self._pack_with_room()
        return address_of(pack.identity.number, pack.add(plain, kind, block_id))

    def close(self) -> None:
        """Hand over what is in the open pack."""
        if self._pack is not None:
            pack, fresh = self._pack, self._fresh
            self._pack, self._fresh = None, []
            self._writer.filled(pack, fresh, len(fresh))

    def _stored(self, plain: Bytes, block_id: bytes, found: int) -> tuple[int, bool]:
        """Address of a block, and whether it was there before."""
        if found:
            return found, True
        pack = self._pack_with_room()
        ours = address_of(pack.identity.number, len(pack))
        # One of two threads with the same block stores it; setdefault decides in one step.
        address = self._writer.fresh.setdefault(block_id, ours)
        if address != ours:
            return address, True
        self._fresh.append(block_id)
        pack.add(plain, Kind.DATA, block_id)
        return address, False

    def _pack_with_room(self) -> PackBuilder:
        if self._pack is not None and not self._pack.has_room:
            self.close()
        if self._pack is None:
            self._pack = self._writer.begun(self._codec)
        return self._pack
