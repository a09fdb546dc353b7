"""`reconciler recover`: back to a folder."""

from pathlib import Path

import click

from reconciler.app import open_app
from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.cli.results import result_lines
from reconciler.cli.show import recovery_summary
from reconciler.execute.outcome import Verdict
from reconciler.plan.diff import printable
from reconciler.settings import Settings


@click.group("recover")
def command() -> None:
    """Get something back out of a recovery point."""


@command.command("disks")
@with_settings
@click.argument("machine", metavar="VM")
@click.option(
    "--at",
    metavar="TIME",
    help="The newest recovery point at or before this time, such as 2026-11-24T18:00; without an "
    "offset it is in the zone of the machine's group. Default: the newest there is.",
)
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path, resolve_path=True),
    help="An empty folder, or one that does not exist yet.",
)
def disks(settings: Settings, machine: str, at: str | None, folder: Path) -> int:
    """Write the virtual disks of a machine as VHDX files into a folder."""
    with open_app(settings) as app:
        reconciler = app.reconciler()
        plan = reconciler.request_disks(machine, at, str(folder))
        for line in recovery_summary(app, plan):
            click.echo(printable(line))
        failed = False
        for result in reconciler.carry_out(plan):
            failed = failed or result.verdict is Verdict.FAILED
            for line in result_lines(result):
                click.echo(line)
    return ExitCode.FAILED if failed else ExitCode.OK
