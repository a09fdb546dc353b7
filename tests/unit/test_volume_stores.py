"""From what policies and catalogue say of a volume to its store."""

from pathlib import Path

import pytest

from reconciler.adapters.cloud_stores import CloudStore
from reconciler.adapters.stores import FolderStore
from reconciler.errors import RepositoryUnavailableError, SettingsError
from reconciler.model.names import PoolName, VolumeId
from reconciler.policy.storage import Volume as VolumePolicy
from reconciler.record.entries import Volume
from reconciler.volume_stores import VolumeStores, open_store


def volume(path: str, repository: str | None = None) -> Volume:
    return Volume(VolumeId("v"), PoolName("main"), "main-1", path, repository, 0)


def bucket(secrets: Path) -> VolumePolicy:
    (secrets / "secret").write_text("a secret")
    place = {
        "bucket": "example",
        "access_key": f"file:{secrets / 'secret'}",
        "secret_key": f"file:{secrets / 'secret'}",
    }
    return VolumePolicy.model_validate({"name": "main-1", "s3": place})


def test_a_folder_is_made_for_a_new_volume_and_never_for_a_known_one(tmp_path: Path) -> None:
    new, known = tmp_path / "new", tmp_path / "known"

    assert isinstance(open_store(volume(str(new)), None), FolderStore)
    with pytest.raises(RepositoryUnavailableError, match="volume main-1 of pool main"):
        open_store(volume(str(known), "repository"), None)

    assert new.is_dir()
    assert not known.exists()


def test_a_volume_that_no_policy_describes_any_more_cannot_be_reached() -> None:
    with pytest.raises(RepositoryUnavailableError, match="no policy says") as caught:
        open_store(volume("s3://example", "repository"), None)

    assert caught.value.hint


def test_connections_are_kept_for_as_long_as_the_policy_says_the_same(tmp_path: Path) -> None:
    stores, policy = VolumeStores(), bucket(tmp_path)
    first = stores.of(volume(policy.place), policy)

    assert isinstance(first, CloudStore)
    assert stores.of(volume(policy.place), bucket(tmp_path)) is first
    moved = policy.model_copy(update={"s3": policy.s3 and policy.s3.model_copy(
        update={"prefix": "elsewhere"})})  # fmt: skip
    assert stores.of(volume(moved.place), moved) is not first


def test_a_folder_is_looked_for_each_time(tmp_path: Path) -> None:
    stores, folder = VolumeStores(), tmp_path / "volume"
    policy = VolumePolicy(name="main-1", path=str(folder))
    stores.of(volume(str(folder)), policy)
    folder.joinpath(".incoming").rmdir()
    folder.rmdir()

    with pytest.raises(RepositoryUnavailableError, match="is not at"):
        stores.of(volume(str(folder), "repository"), policy)


def test_a_secret_that_is_not_there_is_said_by_its_reference(tmp_path: Path) -> None:
    policy = bucket(tmp_path)
    (tmp_path / "secret").unlink()

    with pytest.raises(SettingsError, match="file:"):
        open_store(volume(policy.place), policy)
