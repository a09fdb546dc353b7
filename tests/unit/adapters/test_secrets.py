"""Secrets are found by reference, and no complaint ever says what they are."""

import traceback
from pathlib import Path

import pytest

from reconciler.adapters.secrets import MAX_SECRET_BYTES, resolve_secret
from reconciler.errors import SettingsError

SECRET = "hunter2-Grüße"  # noqa: S105


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "password"


def complaint(reference: str) -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        resolve_secret(reference)
    assert refused.value.hint
    return refused.value


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PASSWORD", f" {SECRET}\n")
    assert resolve_secret("env:LAB_PASSWORD") == f" {SECRET}\n"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_comes_from_a_file_without_its_last_line_ends(file: Path, end: str) -> None:
    file.write_bytes(f" {SECRET} {end}".encode())
    assert resolve_secret(f"file:{file}") == f" {SECRET} "


def test_a_secret_may_have_more_than_one_line(file: Path) -> None:
    file.write_bytes(b"one\ntwo\n")
    assert resolve_secret(f"file:{file}") == "one\ntwo"


def test_a_relative_path_counts_from_the_working_folder(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(SECRET, encoding="utf-8")
    monkeypatch.chdir(file.parent)
    assert resolve_secret("file:password") == SECRET


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\r\n"])
def test_a_secret_that_is_missing_or_empty_is_named(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    error = complaint(f"file:{file}")

    assert error.message == f"the secret file:{file} is empty or not set"
    assert "lab" in error.hint


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAB_PASSWORD", raising=False)
    if value is not None:
        monkeypatch.setenv("LAB_PASSWORD", value)
    assert complaint("env:LAB_PASSWORD").message == (
        "the secret env:LAB_PASSWORD is empty or not set"
    )


@pytest.mark.parametrize("reference", [SECRET, f"vault:{SECRET}", f"ENV:{SECRET}", "", ":"])
def test_what_is_no_reference_is_not_repeated_as_it_may_be_the_secret(reference: str) -> None:
    error = complaint(reference)

    assert error.message == "a secret is neither env:NAME nor file:path"
    assert SECRET not in f"{error.message} {error.hint} {error.facts}"


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    assert complaint(f"file:{tmp_path}").message == (
        f"the secret file {tmp_path} cannot be read: IsADirectoryError"
    )


def test_a_file_that_is_no_text_is_refused_without_its_bytes(file: Path) -> None:
    file.write_bytes(b"hunter2 \xff")
    error = complaint(f"file:{file}")

    assert error.message.endswith("cannot be read: UnicodeDecodeError")
    assert "hunter2" not in "".join(traceback.format_exception(error))


def test_a_file_of_any_size_is_read_only_to_its_bound(file: Path) -> None:
    file.write_bytes(b"x" * MAX_SECRET_BYTES)
    assert len(resolve_secret(f"file:{file}")) == MAX_SECRET_BYTES

    file.write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    assert complaint(f"file:{file}").message == f"the secret file {file} has more than 65,536 bytes"


def test_a_path_that_no_system_has_is_refused() -> None:
    complaint("file:a\0b")
