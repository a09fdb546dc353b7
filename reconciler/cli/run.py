"""`reconciler run`: the loop."""

import signal
from datetime import timedelta
from types import FrameType

import click

from reconciler.adapters.policy_watch import PolicyWatch
from reconciler.app import App, open_app, system_clock
from reconciler.cli.apply import one_pass
from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.logs import Event, get_logger
from reconciler.record.lead import Lead
from reconciler.run import Loop, Pace
from reconciler.schedule.admission import Limits
from reconciler.schedule.wakeups import Wakeups
from reconciler.settings import Settings

_log = get_logger()

_seconds = click.FloatRange(min=0.2, max=86_400)


@click.command("run")
@with_settings
@click.option("--once", is_flag=True, help="Make one pass, wait for its jobs, and end.")
@click.option(
    "--every",
    type=_seconds,
    default=15.0,
    show_default=True,
    help="Seconds between two looks, when nothing wakes the loop before.",
)
@click.option(
    "--jobs-per-host",
    type=click.IntRange(1, 3),
    default=2,
    show_default=True,
    help="Machines of one host that are backed up side by side; a fourth session looks at it.",
)
@click.option(
    "--jobs-per-pool",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    help="Machines that write to one storage pool side by side.",
)
@click.option(
    "--retry-after",
    type=_seconds,
    default=60.0,
    show_default=True,
    help="Seconds until a machine whose job failed is tried again; doubled each time, up to 1 h.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0, max=86_400),
    default=60.0,
    show_default=True,
    help="Seconds that jobs at work may go on when the loop is asked to end.",
)
@click.option(
    "--progress-every",
    type=click.FloatRange(min=0.2),
    default=15.0,
    show_default=True,
    help="Seconds between two progress lines of a job.",
)
def command(settings: Settings, **options: float) -> int:
    """Keep what the policies declare: look, plan, act, for ever.

    Watches the policy files and the hosts. SIGTERM or Ctrl-C ends it in order: nothing new begins,
    jobs at work may finish within the grace and are undone after it; a second one does not wait.
    kill -9 is safe as well. Exits 7 when another reconciler leads this catalogue.
    """
    settings = settings.telling_every(options["progress_every"])
    with open_app(settings) as app, Lead.take(settings.state, system_clock()) as lead:
        _log.info(Event.LEAD_TAKEN, leader=str(lead.leader))
        if options["once"]:
            return one_pass(app, app.reconciler().look())
        return _for_ever(app, settings, _pace(options))


def _pace(options: dict[str, float]) -> Pace:
    first = timedelta(seconds=options["retry_after"])
    limits = Limits(
        int(options["jobs_per_host"]),
        int(options["jobs_per_pool"]),
        first_wait=first,
        longest_wait=max(first, Limits().longest_wait),
    )
    return Pace(options["every"], options["grace"], limits)


def _for_ever(app: App, settings: Settings, pace: Pace) -> ExitCode:
    with Wakeups(pace.every_s) as wakeups, PolicyWatch(settings.policies, wakeups.wake):
        loop = app.loop(wakeups, pace)
        _stop_on_signals(loop)
        loop.run()
    return ExitCode.OK


def _stop_on_signals(loop: Loop) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        loop.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
