"""Does the repository still hold what its manifests name?"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconciler.blocks.layout import pack_of
from reconciler.blocks.manifest import DiskManifest, Manifest
from reconciler.blocks.repository import Repository
from reconciler.blocks.tree import TreeShape
from reconciler.errors import BlockDamagedError, BlockMissingError
from reconciler.model.names import DataSourceId, DiskId, RecoveryPointId

_STEP_BLOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """Blocks of a recovery point that cannot be given back, and why."""

    source: DataSourceId
    point: RecoveryPointId
    disk: DiskId
    first_block: int
    block_count: int
    error: BlockMissingError | BlockDamagedError

    def continues(self, before: "Finding") -> bool:
        """Whether two findings are of one cause, and side by side."""
        return (
            (self.point, self.disk) == (before.point, before.disk)
            and before.first_block + before.block_count == self.first_block
            and type(before.error) is type(self.error)
            and before.error.facts.get("pack") == self.error.facts.get("pack")
        )


def verify(
    repository: Repository,
    manifests: Iterable[Manifest],
    *,
    read_blocks: bool,
    require_going: Callable[[], None] = lambda: None,
) -> Iterator[Finding]:
    """Look for every block that manifests name, and with `read_blocks` compare it with its hash.

    Parts that recovery points share are looked at once, unless something is wrong with them.
    A damaged block that was read is not trusted again by this process, so a comparison by hash
    that follows copies it anew. `require_going` is called often, and what it raises ends the work.

    Raises:
        RepositoryUnavailableError: The storage does not answer; that is no finding.
    """
    check = _Check(repository, require_going, read_blocks=read_blocks)
    before: Finding | None = None
    for manifest in manifests:
        for disk in manifest.disks:
            for finding in check.disk(manifest, disk):
                if before is not None and finding.continues(before):
                    count = before.block_count + finding.block_count
                    before = replace(before, block_count=count)
                    continue
                if before is not None:
                    yield before
                before = finding
    if before is not None:
        yield before


class _Check:
    """One run of verify; remembers which nodes and packs are sound."""

    def __init__(
        self, repository: Repository, require_going: Callable[[], None], *, read_blocks: bool
    ) -> None:
        self._require_going = require_going
        self._packs = repository.packs.fresh()
        self._read_blocks = read_blocks
        self._sound_nodes: set[int] = set()
        self._sound_packs: set[int] = set()

    def disk(self, manifest: Manifest, disk: DiskManifest) -> Iterator[Finding]:
        """Findings of one disk, ascending."""
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

    def _node(
        self, shape: TreeShape, level: int, index: int, address: int
    ) -> Iterator[tuple[int, int, BlockMissingError | BlockDamagedError]]:
        if address == 0 or address in self._sound_nodes:
            return
        reach = shape.fan_out ** (level + 1)
        try:
            self._pack(pack_of(address))
            entries: list[int] = self._packs.node(address)[: shape.entries(level, index)].tolist()
        except (BlockMissingError, BlockDamagedError) as error:
            yield index * reach, reach, error
            return
        is_sound = True
        for found in self._children(shape, level, index, entries):
            is_sound = False
            yield found
        if is_sound:
            self._sound_nodes.add(address)

    def _children(
        self, shape: TreeShape, level: int, index: int, entries: list[int]
    ) -> Iterator[tuple[int, int, BlockMissingError | BlockDamagedError]]:
        offset = index * shape.fan_out
        if level > 0:
            for entry, child in enumerate(entries):
                yield from self._node(shape, level - 1, offset + entry, child)
            return
        for start in range(0, len(entries), _STEP_BLOCKS):
            self._require_going()
            step = entries[start : start + _STEP_BLOCKS]
            if self._error(step) is None:
                continue
            for block, address in enumerate(step, offset + start):
                if (error := self._error([address])) is not None:
                    yield block, 1, error

    def _error(self, addresses: Sequence[int]) -> BlockMissingError | BlockDamagedError | None:
        present = [address for address in addresses if address]
        try:
            for number in {pack_of(address) for address in present}:
                self._pack(number)
            if self._read_blocks:
                self._packs.data(present)
            else:
                self._packs.hashes(present)
        except (BlockMissingError, BlockDamagedError) as error:
            return error
        return None

    def _pack(self, number: int) -> None:
        if number not in self._sound_packs:
            self._packs.check_header(number)
            self._sound_packs.add(number)
