"""`reconciler apply`: do what is due now, once."""

import json
from pathlib import Path

import click

from reconciler.app import App, open_app, system_clock
from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.cli.results import result_lines
from reconciler.errors import PlanChangedError
from reconciler.execute.outcome import Verdict
from reconciler.logs import Event, get_logger
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
        plan = app.reconciler().plan()
        if reviewed is not None:
            _require_same(plan, reviewed)
        app.keep_policies()
        click.echo(as_text(plan))
        return _carry_out(app, plan)


def _carry_out(app: App, plan: Plan) -> ExitCode:
    undone = False
    for result in app.reconciler().carry_out(plan):
        undone = undone or result.verdict is Verdict.FAILED
        for line in result_lines(result):
            click.echo(line)
    broken = app.complaints()
    for complaint in broken:
        click.echo(complaint, err=True)
    unseen = any(f.severity is Severity.ERROR for f in plan.findings)
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
        raise PlanChangedError(
            f"what is due now is not what {reviewed} says; nothing was done",
            hint="review it again: reconciler plan --out FILE",
        )
