from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.blocks.manifest import Manifest
from reconciler.blocks.repository import Repository
from reconciler.blocks.verify import verify
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


def test_a_damaged_block_is_found_only_by_reading(
    repository: Repository,
    points: list[Manifest],
    root: Path,
    flip: Callable[[Path, int], None],
) -> None:
    flip(packs(root)[0], 32 + 12)

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
