"""What the committed images hold: file systems, their files, where those are, their hashes."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reconciler.lab.images.content import Content, make_content
from reconciler.lab.images.sparse import Run, unpack_runs
from reconciler.model.ranges import ByteRange

FileSystem = Literal["ntfs", "ext4"]

_SECTOR_BYTES = 512


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageFile(_Entry):
    """One file of an image.

    Shape: extents are (offset on the disk, length) in the order of the file's bytes; none when
    the file system keeps the bytes within its own records.
    Units: bytes.
    """

    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    content: Content | None = None
    """How its bytes are made; None when they are part of the image."""
    seed: str = ""
    is_scratch: bool = False
    """Page files and the like: a backup may leave their bytes out."""
    extents: tuple[tuple[int, int], ...] = ()

    def places(self, part: ByteRange) -> Iterator[ByteRange]:
        """Where on the disk a part of the file is, in the order of its bytes."""
        begin = 0
        for offset, length in self.extents:
            start, end = max(part.start, begin), min(part.end, begin + length)
            if start < end:
                yield ByteRange(offset + start - begin, offset + end - begin)
            begin += length


class ImageVolume(_Entry):
    """One partition with a file system."""

    offset: int = Field(ge=0)
    length: int = Field(gt=0)
    file_system: FileSystem
    files: tuple[ImageFile, ...]


class DiskImage(_Entry):
    """One disk.

    Units: bytes.
    """

    name: str
    virtual_bytes: int = Field(gt=0)
    logical_sector_bytes: int
    physical_sector_bytes: int
    volumes: tuple[ImageVolume, ...]

    def runs(self) -> Iterator[Run]:
        """Everything on the disk that is not zero, file contents included; whole sectors."""
        packed = (files("reconciler.lab.images") / f"{self.name}.runs.zst").read_bytes()
        yield from unpack_runs(packed)
        for file in self.files():
            if file.content is not None:
                yield from _file_runs(file, file.content)

    def files(self) -> Iterator[ImageFile]:
        """The files of all volumes."""
        for volume in self.volumes:
            yield from volume.files


class Manifest(_Entry):
    """All images."""

    images: tuple[DiskImage, ...]


@cache
def read_manifest() -> Manifest:
    """The manifest that the package carries."""
    text = (files("reconciler.lab.images") / "manifest.json").read_bytes()
    return Manifest.model_validate_json(text)


def disk_image(name: str) -> DiskImage:
    """An image by its name.

    Raises:
        KeyError: The package has none of that name.
    """
    return {image.name: image for image in read_manifest().images}[name]


def _file_runs(file: ImageFile, kind: Content) -> Iterator[Run]:
    sectors = -(-file.size // _SECTOR_BYTES) * _SECTOR_BYTES
    data = memoryview(make_content(kind, file.seed, file.size).ljust(sectors, b"\0"))
    position = 0
    for place in file.places(ByteRange(0, sectors)):
        yield place.start, bytes(data[position : position + place.length])
        position += place.length
