"""What commands say of themselves, and of their end."""

import click
import pytest
from click.testing import CliRunner

from reconciler.cli import main
from reconciler.cli.lab_faults import fault


def test_the_faults_are_listed_line_by_line() -> None:
    told = CliRunner().invoke(fault, ["--help"]).output

    assert any(line.strip().startswith("Of a machine:") for line in told.splitlines())
    assert "\\b" not in told


def test_an_interrupted_command_says_to_run_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: click.Context) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main.cli, "invoke", interrupt)

    assert main.run(["check"]) == 130
    assert "the same command again" in capsys.readouterr().err
