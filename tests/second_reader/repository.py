"""A repository in a folder: its recovery points, and the bytes of their disks."""

import base64
import gzip
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from tests.second_reader.documents import (
    CONDEMNATION,
    DRAFT,
    HEAD,
    HEADER,
    MANIFEST,
    Check,
    Refused,
    checked,
    content,
    require,
)
from tests.second_reader.keys import Keys, opened
from tests.second_reader.packs import DATA, NODE, Pack, Shape

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
PACK = re.compile(r"[0-9a-f]{7}\.(0|[1-9][0-9]*)")
MOST_CACHED_NODES = 1024


class Reader:
    """One repository, read by FORMAT.md alone."""

    def __init__(self, root: Path, passphrase: str | None = None) -> None:
        self._root = root
        data = self._bytes("repository.json", 64 << 10)
        # Before all other keys: another version may have others.
        require(content(data).get("version") == 1, "version of the repository")
        header = checked(data, HEADER)
        self.block_bytes: int = header["block_bytes"]
        self.fan_out: int = header["node_fan_out"]
        repository = UUID(header["repository"])
        self.keys: Keys | None = None
        if header["encryption"] != "none":
            require(passphrase is not None, "encrypted, and no passphrase was given")
            slots = (self._bytes(f"keys/{name}", 4 << 10) for name in self._names("keys"))
            self.keys = opened(slots, repository, passphrase or "")
        self._shape = Shape(repository, self.keys, self.block_bytes, 8 * self.fan_out)
        self._packs: dict[int, Pack] = {}
        self._nodes: dict[int, tuple[int, ...]] = {}

    def points(self) -> list[tuple[str, str]]:
        """(data source, recovery point) of all manifests, sorted."""
        return [
            (source, point)
            for source in self._names("manifests")
            for point in self._names(f"manifests/{source}")
        ]

    def manifest(self, source: str, point: str) -> Mapping[str, Any]:
        """One recovery point, everything about it checked but its blocks."""
        manifest = self._document(f"manifests/{source}/{point}", 16 << 20, MANIFEST)
        described = manifest["point"]
        require((described["source"], described["id"]) == (source, point), "manifest of another")
        ids = [disk["description"]["id"] for disk in manifest["disks"]]
        require(len(set(ids)) == len(ids), "two disks with one id")
        for disk in manifest["disks"]:
            require(disk["block_bytes"] == self.block_bytes, "block size of another repository")
            require(disk["fan_out"] == self.fan_out, "fan-out of another repository")
            count = -(-size_of(disk) // self.block_bytes)
            require(disk["block_count"] == count, "block count does not go with the size")
            require(disk["height"] == self._height(count), "height does not go with the size")
        return manifest

    def head(self, source: str) -> Mapping[str, Any] | None:
        """Where a replica stands."""
        if not (self._root / "heads" / source).exists():
            return None
        head = self._document(f"heads/{source}", 1 << 20, HEAD)
        require(head["source"] == source, "head of another source")
        return head

    def drafts(self) -> list[Mapping[str, Any]]:
        """Recovery points in the making."""
        return [self._document(f"drafts/{each}", 1 << 20, DRAFT) for each in self._names("drafts")]

    def condemned(self, writer: int) -> set[tuple[int, int | None]]:
        """What of a writer's packs is about to go: sequence and slot, None for all of a pack."""
        name = f"condemned/{writer}"
        packs = self._document(name, 256 << 20, CONDEMNATION)["packs"]
        return {(int(each), slot) for each, slots in packs.items() for slot in slots or [None]}

    def restore(self, source: str, point: str, disk_id: str, target: BinaryIO) -> None:
        """Write a disk into an empty file; zeros stay holes."""
        disk = self._disk(source, point, disk_id)
        size = size_of(disk)
        target.truncate(size)
        for number, address in self._blocks(disk):
            start = number * self.block_bytes
            plain = self._block(address, DATA)
            require(not any(plain[max(0, size - start) :]), "bytes beyond the end of the disk")
            target.seek(start)
            target.write(plain[: size - start])

    def configuration(self, source: str, point: str) -> dict[str, bytes]:
        """Configuration files by name, and `left-out.json` where some are missing."""
        files = {}
        for name, text in self.manifest(source, point)["point"]["configuration_files"].items():
            data = base64.b64decode(text, validate=True)
            is_packed = name.endswith(".gz")
            files[name.removesuffix(".gz")] = gzip.decompress(data) if is_packed else data
        return files

    def addresses(self, source: str, point: str, disk_id: str) -> dict[int, int]:
        """Where the blocks of a disk are; those of zeros are left out."""
        return dict(self._blocks(self._disk(source, point, disk_id)))

    def verify(self) -> int:
        """Compare all packs with their headers and ids; returns how many blocks they hold."""
        count = 0
        for file in sorted(self._root.glob("packs/*/*/*")):
            if (pack := self._pack_of(file)) is None:
                continue
            pack.check_header()
            for slot in pack.kept():
                pack.check_id(slot, pack.block(slot, pack.entries[slot].kind))
                count += 1
        return count

    def _disk(self, source: str, point: str, disk_id: str) -> Mapping[str, Any]:
        for disk in self.manifest(source, point)["disks"]:
            if disk["description"]["id"] == disk_id:
                found: Mapping[str, Any] = disk
                return found
        raise Refused(f"no disk {disk_id}")

    def _height(self, count: int) -> int:
        height, reach = 1, self.fan_out
        while reach < count:
            height, reach = height + 1, reach * self.fan_out
        return height

    def _blocks(self, disk: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        """(block, address), ascending; blocks of zeros are left out."""
        yield from self._below(disk["root"], disk["height"] - 1, 0, disk["block_count"])

    def _below(self, address: int, level: int, first: int, end: int) -> Iterator[tuple[int, int]]:
        if not address:
            return
        reach = self.fan_out**level
        node = self._node(address)
        require(any(node), "a node of zeros was stored")
        for entry, child in enumerate(node):
            start = first + entry * reach
            require(start < end or not child, "an entry beyond the end of the disk")
            if child and level:
                yield from self._below(child, level - 1, start, end)
            elif child:
                yield start, child

    def _node(self, address: int) -> tuple[int, ...]:
        if (node := self._nodes.get(address)) is None:
            node = struct.unpack(f"<{self.fan_out}Q", self._block(address, NODE))
            if len(self._nodes) > MOST_CACHED_NODES:
                self._nodes.clear()
            self._nodes[address] = node
        return node

    def _block(self, address: int, kind: int) -> bytes:
        number, slot = address >> 20, address & 0xFFFFF
        try:
            return self._pack(number).block(slot, kind)
        except FileNotFoundError:
            # A generation that is gone has a higher one.
            self._packs.pop(number, None)
            return self._pack(number).block(slot, kind)

    def _pack(self, number: int) -> Pack:
        if number not in self._packs:
            writer, sequence = number >> 28, number & 0xFFFFFFF
            require(writer > 0 and sequence > 0, "no pack has such a number")
            folder = self._root / "packs" / f"{writer:04x}" / f"{sequence // 1024:05x}"
            prefix = f"{sequence:07x}."
            files = folder.iterdir() if folder.is_dir() else ()
            generations = [
                int(file.name.removeprefix(prefix))
                for file in files
                if file.name.startswith(prefix) and PACK.fullmatch(file.name)
            ]
            require(bool(generations), f"pack {writer:04x}/{sequence:07x} is missing")
            file = folder / f"{prefix}{max(generations)}"
            self._packs[number] = Pack(file, number, self._shape)
        return self._packs[number]

    def _pack_of(self, file: Path) -> Pack | None:
        """The pack in a file; None for other files, which are left alone."""
        match = re.search(r"packs/([0-9a-f]{4})/([0-9a-f]{5})/([0-9a-f]{7})\.", file.as_posix())
        if match is None or not PACK.fullmatch(file.name):
            return None
        writer, shard, sequence = (int(part, 16) for part in match.groups())
        return Pack(file, writer << 28 | sequence, self._shape) if sequence >> 10 == shard else None

    def _names(self, folder: str) -> list[str]:
        path = self._root / folder
        found = path.iterdir() if path.is_dir() else ()
        return sorted(entry.name for entry in found if ID.fullmatch(entry.name))

    def _bytes(self, name: str, most: int) -> bytes:
        with (self._root / name).open("rb") as file:
            data = file.read(most + 1)
        require(len(data) <= most, f"{name} is larger than {most} bytes")
        return data

    def _document(self, name: str, most: int, what: Check) -> Mapping[str, Any]:
        overhead = 0 if self.keys is None else 36
        data = self._bytes(name, most + overhead)
        return checked(data if self.keys is None else self.keys.document(name, data), what)


def size_of(disk: Mapping[str, Any]) -> int:
    """Units: bytes."""
    size: int = disk["description"]["geometry"]["virtual_bytes"]
    return size
