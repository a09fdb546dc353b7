"""Page files in the root folder of an NTFS volume."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from reconciler.blocks.guest.bytes import GuestBytes, NotUnderstood, number
from reconciler.blocks.guest.ntfs_records import (
    ATTRIBUTE_LIST,
    DATA,
    FILE_NAME,
    INDEX_ALLOCATION,
    INDEX_ROOT,
    Attribute,
    Record,
    Reference,
    Run,
    Runs,
    file_name,
    index_entries,
    listed,
    parse_record,
    repaired,
)
from reconciler.model.ranges import ByteRange

PAGE_FILES: Final = frozenset({"pagefile.sys", "swapfile.sys"})
"""Never hiberfil.sys."""
OEM: Final = b"NTFS    "

_ROOT: Final = 5
_NO_BASE: Final = Reference(0, 0)
_INDEX: Final = "$I30"
_MOST_CLUSTER_BYTES: Final = 2 << 20
_MOST_INDEX_BYTES: Final = 2 << 20
_MOST_LIST_BYTES: Final = 256 << 10
_MOST_RUNS: Final = 65_536
_POWERS: Final = frozenset(1 << n for n in range(9, 17))
_SIGNED: Final = 0x80
_SMALL_UNIT: Final = 512
"""Units: bytes, of places in an index with blocks smaller than a cluster."""


class NtfsVolume:
    """One volume; whatever it reads may raise NotUnderstood."""

    def __init__(self, disk: GuestBytes, where: ByteRange, sector_bytes: int) -> None:
        boot = disk.read(where.start, sector_bytes)
        self._disk = disk
        self._start = where.start
        sector = number(boot, 11, 2)
        per_cluster = number(boot, 13, 1)
        if per_cluster > _SIGNED:
            per_cluster = 1 << (256 - per_cluster)
        self.cluster_bytes = sector * per_cluster
        if sector not in _POWERS or self.cluster_bytes & (self.cluster_bytes - 1):
            raise NotUnderstood("its boot sector has impossible sizes")
        if not sector <= self.cluster_bytes <= _MOST_CLUSTER_BYTES:
            raise NotUnderstood("its boot sector has impossible sizes")
        self._clusters = number(boot, 40, 8) // per_cluster
        if self._clusters * self.cluster_bytes > where.length:
            raise NotUnderstood("it is larger than its partition")
        self._record_bytes = self._size(number(boot, 64, 1))
        in_table = -(-self._record_bytes // self.cluster_bytes)
        self._table = Runs([Run(number(boot, 48, 8), in_table)])
        self._table = self._whole(Reference(0, 0), self._record(Reference(0, 0)))[1]

    def page_files(self) -> Iterator[tuple[str, list[ByteRange]]]:
        """Name of each page file, and its bytes on the disk in the order of the file."""
        wanted: dict[str, Reference] = {}
        root = self._record(Reference(_ROOT, 0))
        for found, name in self._entries(root):
            if name.lower() in PAGE_FILES:
                wanted[name.lower()] = found
        for name, found in wanted.items():
            yield name, self._extents(name, found)

    def _extents(self, name: str, found: Reference) -> list[ByteRange]:
        record = self._record(found)
        first_two = islice(self._parts(found, record, FILE_NAME), 2)
        names = [file_name(part.content or b"") for part in first_two]
        if [(folder.record, own.lower()) for folder, own in names] != [(_ROOT, name)]:
            raise NotUnderstood(f"{name} has another name, or another folder")
        flags, runs = self._whole(found, record)
        if flags:
            raise NotUnderstood(f"{name} is compressed, encrypted or sparse")
        return [self._place(run) for run in runs.all]

    def _entries(self, folder: Record) -> Iterator[tuple[Reference, str]]:
        """Each file of a folder; what the tree of its index does not lead to is of old."""
        root, block_bytes, index = self._index(folder)
        nodes = [root]
        seen: set[int] = set()
        while nodes:
            for entry in index_entries(nodes.pop()):
                if entry.file is not None:
                    yield entry.file, entry.name
                if entry.child in seen:
                    raise NotUnderstood("its root folder has an index that runs in a circle")
                if entry.child is not None:
                    seen.add(entry.child)
                    nodes.append(self._node(index, block_bytes, entry.child))

    def _index(self, folder: Record) -> tuple[bytes, int, bytes]:
        """The root node of a folder's index, the size of its other nodes, and those."""
        roots = folder.of(INDEX_ROOT, _INDEX)
        if len(roots) != 1 or roots[0].content is None:
            raise NotUnderstood("its root folder has no index")
        block_bytes = number(roots[0].content, 8, 4)
        blocks = folder.of(INDEX_ALLOCATION, _INDEX)
        if len(blocks) > 1 or block_bytes not in _POWERS:
            raise NotUnderstood("its root folder has an impossible index")
        index = self._content(blocks[0], _MOST_INDEX_BYTES) if blocks else b""
        return roots[0].content[16:], block_bytes, index

    def _node(self, index: bytes, block_bytes: int, vcn: int) -> bytes:
        unit = self.cluster_bytes if self.cluster_bytes <= block_bytes else _SMALL_UNIT
        at = vcn * unit
        block = repaired(index[at : at + block_bytes], b"INDX")
        if at % block_bytes or number(block, 16, 8) != vcn:
            raise NotUnderstood("a node of an index is not where it should be")
        return block[24:]

    def _whole(self, of: Reference, record: Record) -> tuple[int, Runs]:
        """Flags and runs of a file's bytes."""
        runs = Runs()
        flags = 0
        for part in self._parts(of, record, DATA):
            is_next = part.content is None and part.first_vcn == runs.clusters
            if not is_next or len(runs.all) > _MOST_RUNS:
                raise NotUnderstood("a file has its bytes in no order that we know")
            runs.add(part.runs)
            flags |= part.flags
            if of.record == 0:  # the next parts of the table may be told by this one
                self._table = runs
        return flags, runs

    def _parts(self, of: Reference, base: Record, kind: int) -> Iterator[Attribute]:
        """The nameless attributes of a kind in order, whichever records of the file hold them."""
        lists = base.of(ATTRIBUTE_LIST)
        if not lists:
            yield from base.of(kind)
            return
        entries = listed(self._content(lists[0], _MOST_LIST_BYTES), kind)
        for first, where in sorted(entries, key=lambda entry: entry[0]):
            record = base
            if where.record != of.record:
                record = self._record(where, Reference(of.record, base.sequence))
            found = [a for a in record.of(kind) if a.first_vcn == first]
            if len(found) != 1:
                raise NotUnderstood("a part of a file is not where it should be")
            yield found[0]

    def _record(self, wanted: Reference, base: Reference = _NO_BASE) -> Record:
        """A record that extends this one; sequence 0 takes whichever use of it there is."""
        record = parse_record(
            self._read(self._table, wanted.record * self._record_bytes, self._record_bytes)
        )
        if wanted.sequence and record.sequence != wanted.sequence:
            raise NotUnderstood("a record is in use for another file")
        if record.base != base:
            raise NotUnderstood("a part of a file belongs to another one")
        return record

    def _content(self, attribute: Attribute, most_bytes: int) -> bytes:
        if attribute.content is not None:
            return attribute.content
        if attribute.flags or not 0 < attribute.size <= most_bytes:
            raise NotUnderstood("a table of it is too large, or compressed")
        return self._read(Runs(attribute.runs), 0, attribute.size)

    def _read(self, runs: Runs, offset: int, length: int) -> bytes:
        data: list[bytes] = []
        end = offset + length
        if end > runs.clusters * self.cluster_bytes:
            raise NotUnderstood("a table of it ends too early")
        for first, run in runs.since(offset // self.cluster_bytes):
            begin = first * self.cluster_bytes
            if begin >= end:
                break
            start = max(offset, begin)
            stop = min(end, begin + run.count * self.cluster_bytes)
            data.append(self._disk.read(self._place(run).start + start - begin, stop - start))
        return b"".join(data)

    def _place(self, run: Run) -> ByteRange:
        if run.first is None or run.first < 0 or run.first + run.count > self._clusters:
            raise NotUnderstood("a file has clusters that are not there")
        start = self._start + run.first * self.cluster_bytes
        return ByteRange(start, start + run.count * self.cluster_bytes)

    def _size(self, value: int) -> int:
        """Of a record: so many clusters, or a power of two."""
        size = 1 << (256 - value) if value >= _SIGNED else value * self.cluster_bytes
        if size not in _POWERS:
            raise NotUnderstood("its records have an impossible size")
        return size
