from pathlib import Path

import pytest

from reconciler.adapters.volume_folder import known_folder, new_folder
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
