from pathlib import Path

import pytest

from reconciler.adapters.volume_folder import known_folder, look_at_folder, new_folder
from reconciler.errors import RepositoryUnavailableError


def test_the_folder_of_a_known_volume_is_never_made_anew(tmp_path: Path) -> None:
    with pytest.raises(RepositoryUnavailableError, match="main-1 is not at") as refused:
        known_folder(tmp_path / "unmounted", "main-1")

    assert "mount it" in refused.value.hint
    assert not (tmp_path / "unmounted").exists()
    assert known_folder(tmp_path, "main-1") == tmp_path


def test_a_new_volume_is_made_but_a_missing_mount_is_not_papered_over(tmp_path: Path) -> None:
    assert new_folder(tmp_path / "new", "main-1").is_dir()
    with pytest.raises(RepositoryUnavailableError, match="No such file"):
        new_folder(tmp_path / "mount" / "new", "main-1")


def test_below_the_working_folder_all_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert new_folder(Path("state") / "volumes" / "main-1", "main-1").is_dir()


def test_a_folder_is_looked_at_and_not_changed(tmp_path: Path) -> None:
    (tmp_path / "repository.json").touch()
    before = sorted(tmp_path.iterdir())
    found = look_at_folder(tmp_path, "repository.json")

    assert (found.is_there, found.is_writable, found.problem) == (True, True, "")
    assert found.total_bytes is not None
    assert found.free_bytes is not None
    assert 0 < found.free_bytes <= found.total_bytes
    assert sorted(tmp_path.iterdir()) == before


def test_a_mount_point_without_its_repository_is_a_missing_volume(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    empty = look_at_folder(tmp_path, "repository.json")
    gone = look_at_folder(tmp_path / "gone", "repository.json")
    no_folder = look_at_folder(tmp_path / "file", "repository.json")

    assert [found.is_there for found in (empty, gone, no_folder)] == [False] * 3
    assert [found.problem for found in (empty, gone, no_folder)] == [
        f"its repository is not at {tmp_path}",
        f"{tmp_path}/gone: No such file or directory",
        f"{tmp_path}/file is no folder",
    ]
    assert "mount it" in empty.hint


def test_a_new_volume_is_looked_at_where_it_will_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert look_at_folder(tmp_path / "new", "").is_there
    assert not look_at_folder(tmp_path / "mount" / "new", "").is_there
    assert look_at_folder(Path("state") / "volumes" / "main-1", "").is_there
