"""A VHDX that is written to: its file, headers, block table and bitmaps.

Every step leaves a file that can be read: data is written before the entry that shows it. That
is enough for a process that is killed; the lab does not pretend to survive a power cut.

Kept apart from the product's reader on purpose: each is a judge of the other.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

from reconciler.blocks import vhdx_format as form
from reconciler.blocks.vhdx_format import MIB, BatShape, Header, Region
from reconciler.blocks.vhdx_metadata import (
    packed_locator,
    packed_metadata,
    unpacked_locator,
    unpacked_metadata,
)

LOCATOR_BYTES: Final = 4096
"""Always all of one page, so that one write replaces a parent locator."""
_METADATA_OFFSET: Final = 2 * MIB
_BAT_OFFSET: Final = 3 * MIB
_SECTOR: Final = form.LOG_SECTOR_BYTES


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """What a new file is made from."""

    shape: BatShape
    physical_sector_bytes: int
    virtual_disk_id: UUID
    locator: dict[str, str] | None = None


class DiskTables:
    """An open VHDX file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: io.FileIO = path.open("r+b", buffering=0)
        self.header = Header(0, form.NO_GUID, form.NO_GUID, form.NO_GUID, 0, 0)
        self.captured: dict[int, bytes] | None = None
        """While not None: sectors of tables by file offset, held back for the log."""
        try:
            self._load()
        except BaseException:
            self._file.close()
            raise

    @staticmethod
    def create(path: Path, plan: DiskPlan) -> "DiskTables":
        """Make an empty disk; the file appears whole or not at all.

        Raises:
            FileExistsError: There is something at `path`.
        """
        if path.exists():
            raise FileExistsError(path)
        draft = path.with_name(path.name + ".new")
        bat_bytes = -(-plan.shape.entries * form.BAT_ENTRY_BYTES // MIB) * MIB
        regions = form.packed_regions(
            [
                Region(form.BAT_REGION, _BAT_OFFSET, bat_bytes),
                Region(form.METADATA_REGION, _METADATA_OFFSET, MIB),
            ]
        )
        with draft.open("wb", buffering=0) as file:
            file.truncate(_BAT_OFFSET + bat_bytes)
            file.write(form.FILE_SIGNATURE + "lab".encode("utf-16-le"))
            header = Header(1, uuid4(), uuid4(), form.NO_GUID, MIB, MIB)
            for number, offset in enumerate(form.HEADER_OFFSETS):
                file.seek(offset)
                file.write(replace(header, sequence_number=1 + number).packed())
            for offset in form.REGION_TABLE_OFFSETS:
                file.seek(offset)
                file.write(regions)
            file.seek(_METADATA_OFFSET)
            file.write(packed_metadata(_items(plan)))
        draft.replace(path)
        return DiskTables(path)

    @property
    def end(self) -> int:
        """Where the next block may be put: the file's end, 1 MiB aligned."""
        return -(-self._file.seek(0, io.SEEK_END) // MIB) * MIB

    @property
    def is_closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def close(self) -> None:
        """Close the file; safe to call again."""
        self._file.close()

    def get(self, offset: int, length: int) -> bytes:
        """Bytes of the file; what lies behind its end reads as zeros."""
        self._file.seek(offset)
        return self._file.read(length).ljust(length, b"\0")

    def put(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes of the file."""
        self._file.seek(offset)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def allocate(self, length: int) -> int:
        """Room at the file's end, all zeros; nobody points to it yet."""
        place = self.end
        self._file.truncate(place + length)
        return place

    def entry(self, index: int) -> tuple[int, int]:
        """State and file offset of an entry of the BAT."""
        value = int(self._bat[index])
        return value & form.BAT_STATE_MASK, value >> form.BAT_OFFSET_SHIFT << form.BAT_OFFSET_SHIFT

    def set_entry(self, index: int, state: int, place: int) -> None:
        """Change an entry of the BAT."""
        self._bat[index] = place | state
        offset = self._bat_offset + index * form.BAT_ENTRY_BYTES
        self._put_table(offset, self._bat[index].tobytes())

    def payload_index(self, block: int) -> int:
        """Index of a payload block's entry."""
        return block + block // self.shape.chunk_ratio

    def bits(self, block: int) -> npt.NDArray[np.uint8]:
        """A block's part of the sector bitmap, one element a sector."""
        data = self._get_table(self._bitmap_place(block), self.shape.bitmap_bytes_per_block)
        return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")

    def set_bits(self, block: int, bits: npt.NDArray[np.uint8]) -> None:
        """Replace a block's part of the sector bitmap."""
        self._put_table(self._bitmap_place(block), np.packbits(bits, bitorder="little").tobytes())

    def set_header(
        self, *, data_write_guid: UUID | None = None, log_guid: UUID | None = None
    ) -> None:
        """Write both headers anew, the older one first. Source: [MS-VHDX] 2.2.2."""
        for _ in range(2):
            self.header = replace(
                self.header,
                sequence_number=self.header.sequence_number + 1,
                data_write_guid=data_write_guid or self.header.data_write_guid,
                file_write_guid=uuid4(),
                log_guid=log_guid or self.header.log_guid,
            )
            self._header_copy ^= 1
            self.put(form.HEADER_OFFSETS[self._header_copy], self.header.packed())

    def set_locator(self, texts: dict[str, str]) -> None:
        """Replace the parent locator in one write."""
        self.put(self._locator_offset, _padded_locator(texts))
        self.locator = texts

    def _bitmap_place(self, block: int) -> int:
        chunk, within = divmod(block, self.shape.chunk_ratio)
        index = chunk * (self.shape.chunk_ratio + 1) + self.shape.chunk_ratio
        state, place = self.entry(index)
        if state != form.BITMAP_PRESENT:
            place = self.allocate(MIB)
            self.set_entry(index, form.BITMAP_PRESENT, place)
        return place + within * self.shape.bitmap_bytes_per_block

    def _get_table(self, offset: int, length: int) -> bytes:
        first = offset // _SECTOR * _SECTOR
        last = -(-(offset + length) // _SECTOR) * _SECTOR
        held = self.captured or {}
        sectors = [held.get(at) or self.get(at, _SECTOR) for at in range(first, last, _SECTOR)]
        return b"".join(sectors)[offset - first : offset - first + length]

    def _put_table(self, offset: int, data: bytes) -> None:
        if self.captured is None:
            self.put(offset, data)
            return
        first = offset // _SECTOR * _SECTOR
        last = -(-(offset + len(data)) // _SECTOR) * _SECTOR
        whole = bytearray(self._get_table(first, last - first))
        whole[offset - first : offset - first + len(data)] = data
        for at in range(first, last, _SECTOR):
            self.captured[at] = bytes(whole[at - first : at - first + _SECTOR])

    def _load(self) -> None:
        copies = [
            Header.unpacked(self.get(offset, form.HEADER_BYTES)) for offset in form.HEADER_OFFSETS
        ]
        sequences = [-1 if copy is None else copy.sequence_number for copy in copies]
        self._header_copy = sequences.index(max(sequences))
        header = copies[self._header_copy]
        if header is None:
            raise ValueError(f"{self.path} has no valid header")
        if header.log_guid != form.NO_GUID:
            raise ValueError(f"{self.path} has a log; the lab's disks are written without one")
        self.header = header
        self._load_regions()

    def _load_regions(self) -> None:
        regions = form.unpacked_regions(
            self.get(form.REGION_TABLE_OFFSETS[0], form.REGION_TABLE_BYTES)
        )
        places = {region.guid: region.offset for region in regions or ()}
        metadata = places[form.METADATA_REGION]
        items = {
            entry.item: (metadata + entry.offset, self.get(metadata + entry.offset, entry.length))
            for entry in unpacked_metadata(self.get(metadata, form.METADATA_TABLE_BYTES)) or ()
        }
        values = {item: int.from_bytes(data, "little") for item, (_, data) in items.items()}
        parameters = items[form.FILE_PARAMETERS][1]
        self.shape = BatShape(
            values[form.VIRTUAL_DISK_SIZE],
            values[form.LOGICAL_SECTOR_SIZE],
            int.from_bytes(parameters[:4], "little"),
            bool(parameters[4] & form.HAS_PARENT),
        )
        self.physical_sector_bytes = values[form.PHYSICAL_SECTOR_SIZE]
        self.virtual_disk_id = UUID(bytes_le=items[form.VIRTUAL_DISK_ID][1])
        self._locator_offset, locator = items.get(form.PARENT_LOCATOR, (0, b""))
        self.locator = unpacked_locator(locator) if self.shape.has_parent else {}
        self._bat_offset = places[form.BAT_REGION]
        table = self.get(self._bat_offset, self.shape.entries * form.BAT_ENTRY_BYTES)
        self._bat = np.frombuffer(table, "<u8").copy()


def _items(plan: DiskPlan) -> dict[UUID, bytes]:
    shape = plan.shape
    flags = form.HAS_PARENT if plan.locator is not None else 0
    items = {
        form.FILE_PARAMETERS: (shape.block_bytes | flags << 32).to_bytes(8, "little"),
        form.VIRTUAL_DISK_SIZE: shape.virtual_bytes.to_bytes(8, "little"),
        form.VIRTUAL_DISK_ID: plan.virtual_disk_id.bytes_le,
        form.LOGICAL_SECTOR_SIZE: shape.logical_sector_bytes.to_bytes(4, "little"),
        form.PHYSICAL_SECTOR_SIZE: plan.physical_sector_bytes.to_bytes(4, "little"),
    }
    if plan.locator is not None:
        items[form.PARENT_LOCATOR] = _padded_locator(plan.locator)
    return items


def _padded_locator(texts: dict[str, str]) -> bytes:
    packed = packed_locator(texts)
    if len(packed) > LOCATOR_BYTES:
        raise ValueError(f"paths too long for a parent locator of {LOCATOR_BYTES} bytes")
    return packed.ljust(LOCATOR_BYTES, b"\0")
