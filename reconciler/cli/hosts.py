"""`reconciler hosts`: what hosts and machines lack to be protected well."""

import importlib.util
import json

import click

from reconciler.app import open_app
from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.model.observed import Observed
from reconciler.plan.actions import Finding
from reconciler.plan.diff import printable
from reconciler.plan.findings import silent_hosts
from reconciler.plan.prerequisites import of_hosts
from reconciler.plan.prerequisites.recovery import READERS, item_level
from reconciler.plan.words import counted
from reconciler.settings import Settings


@click.command("hosts")
@with_settings
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(settings: Settings, output: str) -> ExitCode:
    """Show which prerequisites are not met: id, severity, evidence and remedy. Changes nothing.

    Exits 8 when a host is silent: what it lacks is unknown.
    """
    with open_app(settings) as app:
        observed = app.reconciler().look().observed
    importable = [name for name in READERS if importlib.util.find_spec(name) is not None]
    silent = [*silent_hosts(observed)]
    found = [*silent, *of_hosts(observed), *item_level(importable)]
    click.echo(_as_json(observed, found) if output == "json" else _as_text(observed, found))
    return ExitCode.PARTLY_DONE if silent else ExitCode.OK


def _as_json(observed: Observed, found: list[Finding]) -> str:
    data = {
        "hosts": [
            {
                "name": host,
                "os_build": report.facts.os_build,
                "machines": len(report.machines),
                "is_looked_at": report.requirements is not None,
            }
            for host, report in sorted(observed.inventory.reports.items())
        ],
        "findings": [
            {
                "id": each.code,
                "severity": each.severity.value,
                "about": each.about,
                "host": each.host,
                "evidence": each.message,
                "remedy": each.hint,
            }
            for each in found
        ],
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def _as_text(observed: Observed, found: list[Finding]) -> str:
    lines = []
    for host, report in sorted(observed.inventory.reports.items()):
        told = "" if report.requirements is not None else "; its agent cannot tell of prerequisites"
        machines = counted(len(report.machines), "machine")
        lines.append(f"{host}: build {report.facts.os_build}, {machines}{told}")
    if lines and found:
        lines.append("")
    for each in found:
        lines.append(f"{each.severity.value}: {each.about}: {each.message} ({each.code})")
        lines.append(f"  = hint: {each.hint}")
    if not found:
        lines.append("every prerequisite that can be looked at is met")
    return "\n".join(map(printable, lines))
