"""The committed schemas are those of the models."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from reconciler.cli.schema import command
from reconciler.policy.policy_set import KINDS
from reconciler.policy.schema import schemas

ROOT = Path(__file__).parents[2]


def test_the_committed_schemas_are_current() -> None:
    result = CliRunner().invoke(command, ["--check", "--out", str(ROOT / "schemas")])
    assert result.exit_code == 0, result.output


def test_no_schema_is_left_over() -> None:
    assert {path.name for path in (ROOT / "schemas").iterdir()} == schemas().keys()


def test_there_is_one_schema_for_each_kind_and_one_for_all() -> None:
    found = schemas()
    kinds = {
        schema["properties"]["kind"]["const"] for schema in found.values() if "properties" in schema
    }
    assert kinds == KINDS.keys()
    assert len(found["policy.schema.json"]["oneOf"]) == len(KINDS)


def test_every_key_is_described_for_the_hover_of_an_editor() -> None:
    for name, schema in schemas().items():
        for part in (schema, *schema.get("$defs", {}).values()):
            for key, field in part.get("properties", {}).items():
                assert field.get("description"), f"{name}: {key}"


@pytest.mark.parametrize("path", sorted((ROOT / "policies").rglob("*.yaml")), ids=lambda p: p.name)
def test_policy_files_carry_the_modeline_of_a_schema_that_exists(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).is_file()


def test_schema_writes_only_what_changed(tmp_path: Path) -> None:
    first = CliRunner().invoke(command, ["--out", str(tmp_path / "new")])
    assert first.output.count("wrote") == len(schemas())

    (tmp_path / "new" / "policy.schema.json").write_text("{}", encoding="utf-8")
    check = CliRunner().invoke(command, ["--check", "--out", str(tmp_path / "new")])
    assert check.exit_code == 1
    assert check.output.startswith("stale ")
    second = CliRunner().invoke(command, ["--out", str(tmp_path / "new")])
    assert second.output == f"wrote {tmp_path / 'new' / 'policy.schema.json'}\n"
    third = CliRunner().invoke(command, ["--out", str(tmp_path / "new")])
    assert third.output == f"the schemas in {tmp_path / 'new'} are current\n"
