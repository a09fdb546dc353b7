from pathlib import Path

import pytest

from reconciler.adapters import policy_folder
from reconciler.adapters.policy_folder import read_policies
from reconciler.errors import SettingsError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_yaml_files_are_read_in_order_and_hidden_ones_left_alone(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/c.yml", "a/D.YAML", ".git/x.yaml", ".x.yaml", "readme.md"):
        write(tmp_path / name, name)
    found = read_policies(tmp_path)
    assert list(found.files) == ["a/D.YAML", "a/c.yml", "b.yaml"]
    assert found.files["a/c.yml"] == b"a/c.yml"
    assert found.root == tmp_path


def test_a_single_file_is_accepted(tmp_path: Path) -> None:
    write(tmp_path / "b.yaml", "x")
    write(tmp_path / "c.yaml", "y")
    assert read_policies(tmp_path / "b.yaml").files == {"b.yaml": b"x"}


def test_a_folder_below_a_hidden_one_is_read(tmp_path: Path) -> None:
    write(tmp_path / ".config" / "policies" / "a.yaml")
    assert list(read_policies(tmp_path / ".config" / "policies").files) == ["a.yaml"]


def test_a_missing_folder_is_named_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no policy folder") as caught:
        read_policies(tmp_path / "none")
    assert caught.value.hint


def test_a_folder_without_policies_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "readme.md")
    with pytest.raises(SettingsError, match="no policy file") as caught:
        read_policies(tmp_path)
    assert caught.value.hint


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.yaml")

    def refuse(path: Path, _: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SettingsError, match=r"a\.yaml: Permission denied") as caught:
        read_policies(tmp_path)
    assert caught.value.hint


def test_a_large_file_is_cut_where_its_reader_still_sees_that_it_is_too_large(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a.yaml", "x" * (policy_folder.MOST_FILE_BYTES + 10))
    (raw,) = read_policies(tmp_path).files.values()
    assert len(raw) == policy_folder.MOST_FILE_BYTES + 1


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_folder, "MOST_FILES", 1)
    write(tmp_path / "a.yaml")
    read_policies(tmp_path)
    write(tmp_path / "b.yaml")
    with pytest.raises(SettingsError, match="more than 1 policy files"):
        read_policies(tmp_path)


def test_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_folder, "MOST_BYTES", 1)
    write(tmp_path / "a.yaml", "xx")
    with pytest.raises(SettingsError, match="MiB"):
        read_policies(tmp_path)


def test_the_commit_comes_from_the_branch(tmp_path: Path) -> None:
    write(tmp_path / "policies" / "a.yaml")
    write(tmp_path / ".git" / "HEAD", "ref: refs/heads/main\n")
    write(tmp_path / ".git" / "refs" / "heads" / "main", f"{COMMIT}\n")
    assert read_policies(tmp_path / "policies").commit == COMMIT


def test_the_commit_may_be_packed_or_detached(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml")
    write(tmp_path / ".git" / "HEAD", "ref: refs/heads/main\n")
    write(tmp_path / ".git" / "packed-refs", f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert read_policies(tmp_path).commit == COMMIT
    write(tmp_path / ".git" / "HEAD", COMMIT)
    assert read_policies(tmp_path).commit == COMMIT


def test_a_worktree_shares_the_branches_of_its_repository(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "a.yaml")
    write(tmp_path / "tree" / ".git", f"gitdir: {tmp_path}/repo/.git/worktrees/tree\n")
    write(tmp_path / "repo/.git/worktrees/tree/HEAD", "ref: refs/heads/x\n")
    write(tmp_path / "repo/.git/worktrees/tree/commondir", "../..\n")
    write(tmp_path / "repo/.git/refs/heads/x", COMMIT)
    assert read_policies(tmp_path / "tree").commit == COMMIT


@pytest.mark.parametrize("head", ["", "ref: refs/heads/none", "ref: ../../secret", "nonsense"])
def test_a_commit_that_is_not_simple_to_find_stays_unknown(tmp_path: Path, head: str) -> None:
    write(tmp_path / "a.yaml")
    write(tmp_path / ".git" / "HEAD", head)
    assert read_policies(tmp_path).commit == ""
