"""Does the repository still hold what its manifests name?"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from threading import Lock

from reconciler.blocks.arrays import Addresses
from reconciler.blocks.layout import pack_of
from reconciler.blocks.manifest import DiskManifest, Manifest
from reconciler.blocks.pack_reader import PackReader
from reconciler.blocks.pack_tables import by_pack
from reconciler.blocks.repository import Repository
from reconciler.blocks.threads import share
from reconciler.blocks.tree import TreeShape
from reconciler.errors import BlockDamagedError, BlockMissingError, ItemNotFoundError
from reconciler.model.names import DataSourceId, DiskId, RecoveryPointId

Fault = BlockMissingError | BlockDamagedError
_Found = tuple[int, int, Fault]
"""First block, how many, and why."""

Choose = Callable[[Collection[int]], Iterable[int]]
"""Which of the packs that are needed are read."""


class Depth(StrEnum):
    """How far a verification looks."""

    QUICK = "quick"
    """Manifests, nodes and tables: everything is there, and what is not a block is sound."""
    SAMPLE = "sample"
    """And the blocks of a share of the packs."""
    FULL = "full"
    """And every block."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Blocks of a recovery point that cannot be given back, and why."""

    source: DataSourceId
    point: RecoveryPointId
    disk: DiskId
    first_block: int
    block_count: int
    error: Fault

    def continues(self, before: "Finding") -> bool:
        """Whether two findings are of one cause, and side by side."""
        return (
            (self.point, self.disk) == (before.point, before.disk)
            and before.first_block + before.block_count == self.first_block
            and type(before.error) is type(self.error)
            and before.error.facts.get("pack") == self.error.facts.get("pack")
        )


@dataclass(slots=True)
class Looked:
    """How much was looked at, and how each pack was found."""

    needed: set[int] = field(default_factory=set)
    """Packs that recovery points refer to."""
    packs_read: int = 0
    blocks_damaged: int = 0
    """Also those that no recovery point needs."""
    sound: set[int] = field(default_factory=set)
    damaged: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Packs that hold damage, with the slots of it; none where nothing can be read."""


def verify(
    repository: Repository,
    manifests: Iterable[Manifest],
    *,
    read_blocks: bool,
    require_going: Callable[[], None] = lambda: None,
) -> Iterator[Finding]:
    """Look for every block that manifests name, and with `read_blocks` compare it with its id.

    As `Verification` in one call: either quick or full.
    """
    verification = Verification(repository, list(manifests), require_going)
    yield from verification.findings(list if read_blocks else lambda _: ())


class Points:
    """Recovery points, read each time that somebody goes through them.

    One that has been deleted meanwhile is left out; one of which even the manifest is damaged is
    kept in `unreadable`.
    """

    def __init__(self, repository: Repository, sources: Iterable[DataSourceId]) -> None:
        self.unreadable: dict[tuple[DataSourceId, RecoveryPointId], Fault] = {}
        self.seen: set[RecoveryPointId] = set()
        self._repository = repository
        self._sources = tuple(sources)

    def __iter__(self) -> Iterator[Manifest]:
        for source in self._sources:
            for point in self._repository.manifests(source):
                self.seen.add(point)
                try:
                    yield self._repository.manifest(source, point)
                except ItemNotFoundError:
                    continue
                except (BlockDamagedError, BlockMissingError) as error:
                    self.unreadable[source, point] = error


class Verification:
    """One run; `looked` tells afterwards how far it came.

    Parts that recovery points share are looked at once, unless something is wrong with them.
    Packs are read whole, one after the other in the order of their numbers, by several threads.
    A damaged block that was read is not trusted again by this process, so a comparison by hash
    that follows copies it anew. `require_going` is called often, and what it raises ends the work.
    """

    def __init__(
        self,
        repository: Repository,
        manifests: Iterable[Manifest],
        require_going: Callable[[], None] = lambda: None,
        on_pack: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> None:
        """Begin.

        Args:
            repository: Where.
            manifests: The recovery points whose blocks are looked for; gone through twice.
            require_going: Called often.
            on_pack: Told after each pack how many were read, of how many.
        """
        self.looked = Looked()
        self._repository = repository
        self._manifests = manifests
        self._require_going = require_going
        self._on_pack = on_pack
        self._packs = repository.packs.fresh()
        self._lock = Lock()

    def findings(self, choose: Choose) -> Iterator[Finding]:
        """What is wrong, point by point; `choose` says which packs are read.

        Shape: by point, disk and block; neighbours with one cause are one finding.

        Raises:
            RepositoryUnavailableError: The storage does not answer; that is no finding.
        """
        walk = _Walk(self._packs, self._require_going)
        found = list(_joined(walk.findings(self._manifests)))
        self.looked.needed = set(walk.packs)
        self.looked.damaged = {n: () for n, fault in walk.packs.items() if fault is not None}
        readable = {number for number, fault in walk.packs.items() if fault is None}
        self._read(sorted(readable.intersection(choose(walk.packs.keys()))))
        if self.looked.blocks_damaged:
            # Only now it matters which points need what is damaged.
            again = _Walk(self._packs.fresh(), self._require_going)
            found = list(_joined(again.findings(self._manifests)))
        yield from self._that_matter(found)

    def _that_matter(self, found: Iterable[Finding]) -> Iterator[Finding]:
        """Without those of points that were deleted while we looked."""
        there: dict[DataSourceId, set[RecoveryPointId]] = {}
        for finding in found:
            if finding.source not in there:
                there[finding.source] = set(self._repository.manifests(finding.source))
            if finding.point in there[finding.source]:
                yield finding

    def _read(self, numbers: Sequence[int]) -> None:
        def read(number: int) -> None:
            self._require_going()
            try:
                faults = self._packs.faults(number)
            except (BlockMissingError, BlockDamagedError):
                faults = None  # since the walk; who needs it hears of it the next time
            with self._lock:
                self.looked.packs_read += 1
                if faults:
                    self.looked.blocks_damaged += len(faults)
                    self.looked.damaged[number] = tuple(sorted(faults))
                elif faults is not None:
                    self.looked.sound.add(number)
                self._on_pack(self.looked.packs_read, len(numbers))

        share(iter(numbers), lambda: read)


class _Walk:
    """Goes down the trees of recovery points; remembers which nodes and packs are sound."""

    def __init__(self, packs: PackReader, require_going: Callable[[], None]) -> None:
        self.packs: dict[int, Fault | None] = {}
        """Those that are needed, and what is wrong with all of one."""
        self._reader = packs
        self._require_going = require_going
        self._sound: set[int] = set()

    def findings(self, manifests: Iterable[Manifest]) -> Iterator[Finding]:
        """What cannot be given back, ascending in each disk."""
        for manifest in manifests:
            for disk in manifest.disks:
                yield from self._disk(manifest, disk)

    def _disk(self, manifest: Manifest, disk: DiskManifest) -> Iterator[Finding]:
        shape = disk.tree.shape
        for first, count, error in self._node(shape, shape.height - 1, 0, disk.root):
            yield Finding(
                manifest.point.source,
                manifest.point.id,
                disk.description.id,
                first,
                min(count, disk.block_count - first),
                error,
            )

    def _node(self, shape: TreeShape, level: int, index: int, address: int) -> Iterator[_Found]:
        if address == 0 or address in self._sound:
            return
        try:
            if (fault := self._pack(pack_of(address))) is not None:
                raise fault
            node = self._reader.node(address)[: shape.entries(level, index)]
        except (BlockMissingError, BlockDamagedError) as error:
            reach = shape.fan_out ** (level + 1)
            yield index * reach, reach, error
            return
        is_sound = True
        for found in self._children(shape, level, index * shape.fan_out, node):
            is_sound = False
            yield found
        if is_sound:
            self._sound.add(address)

    def _children(
        self, shape: TreeShape, level: int, offset: int, node: Addresses
    ) -> Iterator[_Found]:
        self._require_going()
        if level > 0:
            for entry, child in enumerate(node.tolist()):
                yield from self._node(shape, level - 1, offset + entry, child)
            return
        lost: dict[int, Fault] = {}
        for number, places, slots in by_pack(node):
            faults = self._faults(number, slots)
            if faults:
                pairs = zip(places.tolist(), slots.tolist(), strict=True)
                lost.update({place: faults[slot] for place, slot in pairs if slot in faults})
        for place in sorted(lost):
            yield offset + place, 1, lost[place]

    def _faults(self, number: int, slots: Addresses) -> Mapping[int, Fault]:
        try:
            if (fault := self._pack(number)) is not None:
                raise fault
            return self._reader.tables.faults(number, slots)
        except (BlockMissingError, BlockDamagedError) as error:
            return dict.fromkeys(slots.tolist(), error)

    def _pack(self, number: int) -> Fault | None:
        """What is wrong with all of a pack."""
        if number not in self.packs:
            self.packs[number] = None
            try:
                self._reader.tables.check_header(number)
            except (BlockMissingError, BlockDamagedError) as error:
                self.packs[number] = error
        return self.packs[number]


def _joined(findings: Iterable[Finding]) -> Iterator[Finding]:
    before: Finding | None = None
    for finding in findings:
        if before is not None and finding.continues(before):
            count = before.block_count + finding.block_count
            before = replace(before, block_count=count)
            continue
        if before is not None:
            yield before
        before = finding
    if before is not None:
        yield before
