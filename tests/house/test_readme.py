"""What README says is there, is there."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in COMMANDS if f"`reconciler {name}" not in README] == []


def test_every_part_of_a_group_is_in_the_readme() -> None:
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        if isinstance(found, click.Group):
            line = next(x for x in README.splitlines() if x.startswith(f"| `reconciler {name} "))
            assert [part for part in found.commands if part not in line] == []


def test_the_exit_codes_of_the_readme_are_all_there_are() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}

    assert told == {int(code) for code in ExitCode}


@pytest.mark.parametrize("word", ["demo", "test", "check"])
def test_the_makefile_has_what_the_readme_names(word: str) -> None:
    assert f"make {word}" in README
    assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_each_command_explains_itself() -> None:
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        assert found.help


def test_help_imports_neither_models_nor_machinery() -> None:
    heavy = ["pydantic", "sqlalchemy", "pypsrp", "numpy", "structlog", "psrpcore", "requests"]
    code = (
        "import sys; from reconciler.cli.main import run; run(['--help']); "
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stderr.strip() == "[]"
    assert all(name in done.stdout for name in COMMANDS)


def test_hints_name_only_commands_that_exist() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("reconciler/**/*.py"))
    named = set(re.findall(r"(?:: |`)reconciler ([a-z][a-z-]+)", code))

    assert named
    assert named - set(COMMANDS) == set()
