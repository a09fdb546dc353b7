import hashlib
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.manifest import (
    DiskManifest,
    Manifest,
    Statistics,
    manifest_bytes,
    parse_manifest,
)
from reconciler.blocks.repository import Repository
from reconciler.errors import (
    BlockDamagedError,
    ItemNotFoundError,
    RepositoryError,
    RepositoryUnavailableError,
)
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    RctId,
    RecoveryPointId,
    ReferencePointId,
)
from reconciler.model.protection import DiskDescription, Head, LeftOut, PointDescription

SOURCE = DataSourceId("source-1")
P1 = RecoveryPointId("p1")


@pytest.fixture
def manifest(
    make_disk: Callable[[int], DiskDescription], make_point: Callable[[str], PointDescription]
) -> Manifest:
    plain = make_disk(100 * 4096 + 512)
    description = DiskDescription(
        plain.id, plain.slot, plain.virtual_disk_id, plain.geometry, (LeftOut(0, 4096, "paging"),)
    )
    disk = DiskManifest(description, 4096, 8, (1 << 64) - 1)
    return Manifest(make_point("p1"), (disk,), 7, Statistics(1, 2, 3))


def with_checksum(line: bytes) -> bytes:
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def test_a_manifest_comes_back_as_it_was(manifest: Manifest) -> None:
    assert parse_manifest(manifest_bytes(manifest), "m") == manifest


def test_a_manifest_is_one_canonical_line_and_its_checksum(manifest: Manifest) -> None:
    line, digest, rest = manifest_bytes(manifest).split(b"\n")

    assert digest.decode() == hashlib.sha256(line).hexdigest()
    assert rest == b""
    assert orjson.dumps(orjson.loads(line), option=orjson.OPT_SORT_KEYS) == line
    assert orjson.loads(line)["point"]["captured_at"] == 1740830407123456


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("format",), "other"),
        (("writer",), 0),
        (("writer",), 1.0),
        (("surprise",), 1),
        (("point", "captured_at"), "2025-03-01"),
        (("point", "captured_at"), 10**30),
        (("point", "captured_at"), True),
        (("point", "consistency"), "perfect"),
        (("point", "machine_name"), "x" * 5000),
        (("disks", 0, "root"), 1 << 64),
        (("disks", 0, "root"), -1),
        (("disks", 0, "height"), 2),
        (("disks", 0, "block_count"), 100),
        (("disks", 0, "fan_out"), 1),
        (("disks", 0, "block_bytes"), 0),
        (("disks", 0, "description", "geometry", "virtual_bytes"), 1 << 60),
        (("disks", 0, "description", "geometry", "format"), "QCOW2"),
        (("statistics", "bytes_read"), -1),
    ],
)
def test_a_value_out_of_bounds_is_refused_though_its_checksum_matches(
    manifest: Manifest, path: tuple[str | int, ...], value: object
) -> None:
    content = orjson.loads(manifest_bytes(manifest).split(b"\n")[0])
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    line = (
        str(content).replace("'", '"').encode()
        if isinstance(value, int) and value.bit_length() > 64
        else orjson.dumps(content)
    )

    with pytest.raises(BlockDamagedError, match="objects/m"):
        parse_manifest(with_checksum(line), "objects/m")


@pytest.mark.parametrize("data", [b"", b"{}", b"\n" * 66, b"[" * 100_000, b"\xff" * 200])
def test_bytes_that_are_no_document_are_refused(data: bytes) -> None:
    with pytest.raises(BlockDamagedError, match="checksum"):
        parse_manifest(data, "m")
    with pytest.raises(BlockDamagedError, match="not valid"):
        parse_manifest(with_checksum(data), "m")


def test_a_disk_is_found_by_its_id(manifest: Manifest) -> None:
    assert manifest.disk(DiskId("disk-1")) is manifest.disks[0]
    with pytest.raises(ItemNotFoundError) as caught:
        manifest.disk(DiskId("disk-2"))
    assert "disk-1" in caught.value.hint


def test_a_manifest_that_was_moved_to_another_name_is_refused(
    seal: Callable[[Repository, str, bytes], Manifest], repository: Repository, root: Path
) -> None:
    seal(repository, "p1", b"x" * 4096)
    (root / "manifests/source-1/p1").rename(root / "manifests/source-1/p2")

    with pytest.raises(ItemNotFoundError):
        repository.manifest(SOURCE, P1)
    with pytest.raises(BlockDamagedError, match=r"is the manifest of p1|is not what was sealed"):
        repository.manifest(SOURCE, RecoveryPointId("p2"))


def test_a_manifest_of_absurd_size_is_not_read(repository: Repository, root: Path) -> None:
    (root / "manifests/source-1").mkdir(parents=True)
    with (root / "manifests/source-1/p1").open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(BlockDamagedError, match="larger than"):
        repository.manifest(SOURCE, P1)


def test_the_head_is_replaced_and_read_back(repository: Repository) -> None:
    assert repository.head(SOURCE) is None
    first = Head(SOURCE, P1, None, {})
    second = Head(
        SOURCE, RecoveryPointId("p2"), ReferencePointId("ref:1"), {DiskId("d"): RctId("rct:2")}
    )

    repository.set_head(first)
    assert repository.head(SOURCE) == first
    repository.set_head(second)
    assert repository.head(SOURCE) == second


def test_a_head_of_another_source_is_refused(repository: Repository, root: Path) -> None:
    repository.set_head(Head(SOURCE, P1, None, {}))
    (root / "heads/source-1").rename(root / "heads/source-2")

    with pytest.raises(BlockDamagedError, match=r"is the head of source-1|is not what was sealed"):
        repository.head(DataSourceId("source-2"))


def test_a_repository_of_a_newer_version_names_both(store: FolderStore, root: Path) -> None:
    header = root / "repository.json"
    content = orjson.loads(header.read_bytes().split(b"\n")[0])
    header.write_bytes(with_checksum(orjson.dumps({**content, "version": 2, "new": "field"})))

    with pytest.raises(RepositoryError, match="version 2, this program knows version 1"):
        Repository.open(store, cache=root, writer=None)


def test_what_is_no_repository_is_told(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(RepositoryError, match="no repository here"):
        Repository.open(store, cache=tmp_path, writer=None)

    (tmp_path / "repository.json").write_bytes(with_checksum(b'{"format":"other"}'))
    with pytest.raises(RepositoryError, match="is not the header"):
        Repository.open(store, cache=tmp_path, writer=None)


def test_a_volume_that_went_away_is_unavailable_not_empty(
    repository: Repository, root: Path, tmp_path: Path
) -> None:
    root.rename(tmp_path / "unmounted")
    root.mkdir()

    with pytest.raises(RepositoryUnavailableError) as caught:
        repository.manifest(SOURCE, P1)
    assert caught.value.hint == "mount the volume"
    with pytest.raises(RepositoryUnavailableError):
        repository.sources()
