"""`reconciler disk-allocation`: what each machine takes and may come to take, and where."""

import json

import click

from reconciler.app import open_app
from reconciler.cli.options import with_settings
from reconciler.plan.allocation import disk_allocation
from reconciler.plan.allocation_text import allocation_data, allocation_lines
from reconciler.plan.diff import printable
from reconciler.settings import Settings


@click.command("disk-allocation")
@with_settings
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(settings: Settings, output: str) -> None:
    """Show pools, volumes and machines: size, what is stored, space to provision, what to add.

    Space to provision comes from how a replica grew, or from a formula while that is not known:
    size of the disks x (1 + 3 % x days of retention x backups a day) x 1.05, with at most 10 % of
    the size a day. Replicas that are due are shown on the volume they would go to, with the
    reason. Changes nothing.
    """
    with open_app(settings) as app:
        look = app.reconciler().look()
    found = disk_allocation(look.wanted, look.observed, look.plan)
    if output == "json":
        click.echo(json.dumps(allocation_data(found), indent=2, ensure_ascii=False))
        return
    for line in allocation_lines(found):
        click.echo(printable(line))
