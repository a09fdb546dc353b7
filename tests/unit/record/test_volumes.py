from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.errors import CatalogueError
from reconciler.model.names import PoolName, VolumeId
from reconciler.record.catalogue import Catalogue


def test_a_volume_keeps_its_id_when_it_is_mounted_elsewhere(catalogue: Catalogue) -> None:
    first = catalogue.ensure_volume(PoolName("main"), "v1", "/a")
    moved = catalogue.ensure_volume(PoolName("main"), "v1", "/b")
    other = catalogue.ensure_volume(PoolName("spare"), "v1", "/c")

    assert (moved.id, moved.path) == (first.id, "/b")
    assert catalogue.volumes() == (moved, other)


def test_another_repository_on_a_volume_is_refused(
    catalogue: Catalogue, volume_id: VolumeId
) -> None:
    assert catalogue.set_repository_id(volume_id, "repo-1").repository_id == "repo-1"
    assert catalogue.set_repository_id(volume_id, "repo-1").repository_id == "repo-1"

    with pytest.raises(CatalogueError, match="repo-2") as caught:
        catalogue.set_repository_id(volume_id, "repo-2")

    assert "another repository is mounted at /backup/v1" in caught.value.hint
    assert catalogue.volumes()[0].repository_id == "repo-1"


def test_a_volume_that_was_renamed_does_not_become_a_second_one_of_its_repository(
    catalogue: Catalogue, volume_id: VolumeId
) -> None:
    catalogue.set_repository_id(volume_id, "repo-1")
    renamed = catalogue.ensure_volume(PoolName("primary"), "v1", "/backup/v1")

    with pytest.raises(CatalogueError, match="v1 of pool primary, is that of volume v1 of pool m"):
        catalogue.set_repository_id(renamed.id, "repo-1")

    assert {v.repository_id for v in catalogue.volumes()} == {"repo-1", None}
    assert catalogue.set_repository_id(volume_id, "repo-1").id == volume_id


def test_writer_numbers_never_go_back(catalogue: Catalogue, volume_id: VolumeId) -> None:
    assert catalogue.grant_writer(volume_id, 3).writer_number == 3
    assert catalogue.grant_writer(volume_id, 3).writer_number == 3

    with pytest.raises(CatalogueError, match="behind 3"):
        catalogue.grant_writer(volume_id, 2)
    assert catalogue.next_writer(volume_id) == 4
    assert catalogue.next_writer(volume_id, above=9) == 10


def test_zero_is_no_writer_number(catalogue: Catalogue, volume_id: VolumeId) -> None:
    with pytest.raises(CatalogueError):
        catalogue.grant_writer(volume_id, 0)


def test_two_writers_never_get_one_number(catalogue: Catalogue, volume_id: VolumeId) -> None:
    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(lambda _: catalogue.next_writer(volume_id), range(12)))

    assert sorted(numbers) == list(range(1, 13))


def test_an_unknown_volume_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="no volume v9"):
        catalogue.grant_writer(VolumeId("v9"), 1)


def test_what_a_volume_takes_runs_on_from_what_was_measured(
    catalogue: Catalogue, volume_id: VolumeId
) -> None:
    def stored() -> int | None:
        (volume,) = catalogue.volumes()
        return volume.stored_bytes

    catalogue.stored_more(volume_id, 5)
    assert stored() is None
    catalogue.measured(volume_id, 1 << 40)
    catalogue.stored_more(volume_id, 5)
    assert stored() == (1 << 40) + 5
    catalogue.measured(volume_id, 3)
    assert stored() == 3


def test_a_draft_that_was_given_up_is_swept_though_no_point_was_dropped(
    catalogue: Catalogue, volume_id: VolumeId
) -> None:
    catalogue.want_sweep(volume_id)
    catalogue.want_sweep(volume_id)

    assert catalogue.volumes_to_sweep() == {volume_id: 2}
