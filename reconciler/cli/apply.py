"""`reconciler apply`: do what is due now, once."""

import json
from pathlib import Path

import click

from reconciler.app import App, open_app, system_clock
from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.cli.results import result_lines
from reconciler.errors import PlanChangedError
from reconciler.execute.outcome import Result, Verdict
from reconciler.logs import Event, get_logger
from reconciler.loop import Look
from reconciler.plan.actions import Plan, Severity
from reconciler.plan.diff import as_text, digest
from reconciler.record.lead import Lead
from reconciler.settings import Settings

MAX_PLAN_BYTES = 64 << 20

_log = get_logger()


@click.command("apply")
@with_settings
@click.argument("reviewed", required=False, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--progress-every",
    type=click.FloatRange(min=0.2),
    default=5.0,
    show_default=True,
    help="Seconds between two progress lines of a job.",
)
def command(settings: Settings, reviewed: Path | None, progress_every: float) -> int:
    """Do what is due now, once, and wait for it.

    With REVIEWED, a file from `reconciler plan --out`, only if what is due is what was reviewed;
    else exits 5. Exits 8 when something was left undone, 7 when another reconciler is at work.
    """
    settings = settings.telling_every(progress_every)
    with open_app(settings) as app, Lead.take(settings.state, system_clock()) as lead:
        _log.info(Event.LEAD_TAKEN, leader=str(lead.leader))
        look = app.reconciler().look()
        if reviewed is not None:
            _require_same(look.plan, reviewed)
        click.echo(as_text(look.plan))
        return one_pass(app, look)


def one_pass(app: App, look: Look) -> ExitCode:
    """Take note, do what was planned, print what became of each action."""
    reconciler = app.reconciler()
    app.keep_policies()
    reconciler.take_note(look)
    results: list[Result] = []
    for result in reconciler.carry_out(look.plan):
        results.append(result)
        for line in result_lines(result):
            click.echo(line)
    reconciler.sync_alerts(look.plan, results)
    broken = app.complaints()
    for complaint in broken:
        click.echo(complaint, err=True)
    undone = any(result.verdict in {Verdict.FAILED, Verdict.SKIPPED} for result in results)
    unseen = any(f.severity is Severity.ERROR for f in look.plan.findings)
    return ExitCode.PARTLY_DONE if undone or broken or unseen else ExitCode.OK


def _require_same(plan: Plan, reviewed: Path) -> None:
    """Refuse to do anything else than what was reviewed.

    Raises:
        PlanChangedError: The file is no plan, or another plan is due by now.
    """
    try:
        with reviewed.open("rb") as file:
            expected = json.loads(file.read(MAX_PLAN_BYTES))["digest"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PlanChangedError(
            f"{reviewed} is no plan", hint="make one: reconciler plan --out FILE"
        ) from error
    if expected != digest(plan):
        _log.warning(Event.PLAN_REFUSED, plan=plan.id, reviewed=str(reviewed))
        due = "what is due now is not what" if plan.actions else "nothing is due now of what"
        raise PlanChangedError(
            f"{due} {reviewed} says; nothing was done",
            hint="review what is due: reconciler plan --out FILE",
        )
