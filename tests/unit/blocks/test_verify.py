from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.codec import Codec, Kind, block_hash
from reconciler.blocks.header import new_header
from reconciler.blocks.keys import RepositoryKeys
from reconciler.blocks.layout import pack_name, pack_number
from reconciler.blocks.manifest import Manifest
from reconciler.blocks.objects import Objects
from reconciler.blocks.pack import PackBuilder, PackIdentity
from reconciler.blocks.pack_reader import PackReader
from reconciler.blocks.prune import prune
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import Points, Verification, verify
from reconciler.errors import BlockDamagedError, BlockMissingError, RepositoryUnavailableError
from reconciler.model.protection import DiskDescription, PointDescription

BLOCK = 4096


def content(blocks: int) -> bytes:
    return b"".join((1 + n).to_bytes(8, "little") * (BLOCK // 8) for n in range(blocks))


@pytest.fixture
def points(
    repository: Repository,
    make_disk: Callable[[int], DiskDescription],
    make_point: Callable[[str], PointDescription],
) -> list[Manifest]:
    """Two points: 100 blocks in small packs, then one of them changed."""
    result: list[Manifest] = []
    for name, first, data in (("p1", 0, content(100)), ("p2", 99, b"x" * BLOCK)):
        draft = repository.draft(pack_bytes=500)
        base = result[-1].disks[0] if result else None
        draft.disk(make_disk(100 * BLOCK), base).put(first, data)
        draft.flush()
        result.append(draft.seal(make_point(name)))
    return result


def packs(root: Path) -> list[Path]:
    return sorted(root.glob("packs/*/*/*"))


@pytest.mark.parametrize("read_blocks", [False, True])
def test_a_sound_repository_has_no_findings(
    repository: Repository, points: list[Manifest], *, read_blocks: bool
) -> None:
    assert list(verify(repository, points, read_blocks=read_blocks)) == []


def test_a_missing_pack_is_one_finding_for_each_point_that_needs_it(
    repository: Repository, points: list[Manifest], root: Path
) -> None:
    packs(root)[0].unlink()

    findings = list(verify(repository, points, read_blocks=False))

    assert [finding.point for finding in findings] == ["p1", "p2"]
    assert {finding.first_block for finding in findings} == {0}
    assert len({finding.block_count for finding in findings}) == 1
    assert all(isinstance(finding.error, BlockMissingError) for finding in findings)


def test_a_point_that_is_deleted_meanwhile_is_no_finding(
    repository: Repository, points: list[Manifest]
) -> None:
    def delete() -> None:
        repository.drop(points[0].point.source, [points[0].point.id, points[1].point.id])
        prune(repository)

    verification = Verification(repository, points, delete)
    assert list(verification.findings(list)) == []
    assert verification.looked.needed  # it had begun to look


def test_a_damaged_block_is_found_only_by_reading(
    repository: Repository,
    points: list[Manifest],
    root: Path,
    flip: Callable[[Path, int], None],
) -> None:
    flip(packs(root)[0], 64 + 12)

    assert list(verify(repository, points[:1], read_blocks=False)) == []
    (finding,) = verify(repository, points[:1], read_blocks=True)
    assert (finding.first_block, finding.block_count) == (0, 1)
    assert isinstance(finding.error, BlockDamagedError)


@pytest.mark.parametrize("offset", [0, 10, 20, -1, -40, -100])
def test_damage_of_header_table_or_footer_is_found(
    repository: Repository,
    points: list[Manifest],
    root: Path,
    flip: Callable[[Path, int], None],
    offset: int,
) -> None:
    flip(packs(root)[0], offset)

    findings = list(verify(repository, points[:1], read_blocks=False))

    assert [type(finding.error) for finding in findings] == [BlockDamagedError]


def test_each_pack_is_read_once_and_those_that_were_sound_are_told(
    repository: Repository, points: list[Manifest], root: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(packs(root)[2], 64 + 12)
    told: list[tuple[int, int]] = []
    verification = Verification(repository, points, on_pack=lambda *now: told.append(now))

    findings = list(verification.findings(list))

    looked, count = verification.looked, len(packs(root))
    assert [done for done, _ in told] == list(range(1, count + 1))
    assert (looked.packs_read, looked.blocks_damaged) == (count, 1)
    assert len(looked.sound) == count - 1
    assert list(looked.damaged.values()) == [(0,)]
    assert [finding.point for finding in findings] == ["p1", "p2"]


def test_a_sample_reads_only_what_was_chosen(
    repository: Repository, points: list[Manifest], root: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(packs(root)[0], 64 + 12)
    verification = Verification(repository, points)

    assert list(verification.findings(lambda numbers: sorted(numbers)[1:4])) == []
    assert verification.looked.packs_read == 3


def test_a_block_that_is_not_what_its_id_says_is_found_though_its_tag_is_right(
    store: FolderStore, tmp_path: Path
) -> None:
    header = new_header(block_bytes=BLOCK, node_fan_out=8, is_encrypted=True)
    identity = PackIdentity(header.id, pack_number(1, 1), RepositoryKeys(b"k" * 32, b"r" * 16))
    pack = PackBuilder(identity, Codec(), 1 << 20, bytearray())
    pack.add(b"x" * BLOCK, Kind.DATA, block_hash(b"not this"))
    store.put(pack_name(identity.number, 0), bytes(pack.finish(pack.table())))
    reader = PackReader(Objects(store), header, identity.keys)

    (fault,) = reader.faults(identity.number).values()

    assert "does not match its id" in fault.message


def test_a_manifest_that_cannot_be_read_is_kept_by_name(
    repository: Repository, points: list[Manifest], root: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(root / "manifests" / points[0].point.source / "p1", 30)
    found = Points(repository, [points[0].point.source])

    assert [manifest.point.id for manifest in found] == ["p2"]
    assert set(found.unreadable) == {(points[0].point.source, "p1")}
    assert found.seen == {"p1", "p2"}


def test_a_damaged_node_costs_the_blocks_below_it_and_no_others(
    repository: Repository, points: list[Manifest], root: Path
) -> None:
    last = packs(root)[-1]  # of the second point: its block, its leaf, its way to the root
    last.unlink()

    findings = list(verify(repository, points, read_blocks=True))

    assert [(f.point, f.first_block, f.block_count) for f in findings] == [("p2", 0, 100)]


def test_a_volume_that_is_gone_is_no_finding(
    repository: Repository, points: list[Manifest], root: Path, tmp_path: Path
) -> None:
    root.rename(tmp_path / "unmounted")
    root.mkdir()

    with pytest.raises(RepositoryUnavailableError):
        list(verify(repository, points, read_blocks=False))
