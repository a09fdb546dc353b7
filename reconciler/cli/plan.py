"""`reconciler plan`: what would be done now, and why."""

from pathlib import Path

import click

from reconciler.app import open_app
from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.errors import SettingsError
from reconciler.plan.actions import CreateReplica
from reconciler.plan.allocation import disk_allocation
from reconciler.plan.allocation_text import allocation_data, allocation_lines
from reconciler.plan.diff import as_json, as_text, printable
from reconciler.settings import Settings


@click.command("plan")
@with_settings
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the plan as JSON to this file, for `reconciler apply FILE`.",
)
@click.option("--exit-code", "tell", is_flag=True, help="Exit 2 when there is something to do.")
def command(settings: Settings, output: str, out: Path | None, *, tell: bool) -> int:
    """Show what would be done now, and why. Changes nothing.

    Exits 8 when a policy file is broken and its last good version, or nothing, stands in; with
    --exit-code also when a host is silent, as nobody knows what is due there.
    """
    with open_app(settings) as app:
        look = app.reconciler().look()
        broken = app.complaints()
    plan = look.plan
    allocated = disk_allocation(look.wanted, look.observed, plan)
    as_data = as_json(plan, allocation_data(allocated))
    click.echo(as_data if output == "json" else as_text(plan))
    if output == "text" and any(isinstance(action, CreateReplica) for action in plan.actions):
        click.echo("\nDisk allocation")
        for line in allocation_lines(allocated):
            click.echo(printable(f"  {line}"))
    if out is not None:
        _write(out, as_data)
    for complaint in broken:
        click.echo(complaint, err=True)
    if broken or (tell and look.observed.inventory.silent):
        return ExitCode.PARTLY_DONE
    return ExitCode.CHANGES_PENDING if tell and plan.actions else ExitCode.OK


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"the plan cannot be written to {path}: {error.strerror}",
            hint="name a file in a folder that is there and may be written to",
        ) from error
