"""`reconciler`: the one place where an error ends a command."""

import importlib
import sys
from typing import Final, Literal

import click

from reconciler import errors
from reconciler.cli.exit_codes import ExitCode, exit_code_of

COMMANDS: Final = {
    "check": "Check the policies; touches nothing.",
    "schema": "Write the JSON Schemas that editors use.",
    "plan": "Show what would be done now, and why. Changes nothing.",
    "apply": "Do what is due now, once, and wait for it.",
    "run": "Keep what the policies declare: the unattended loop.",
    "request": "Ask for a backup, a consistency check, or points to be let go, now.",
    "show": "Show hosts, machines and recovery points.",
    "hosts": "Show which prerequisites hosts and machines lack.",
    "disk-allocation": "Show what machines take on which volume, and what should be added.",
    "recover": "Get something back out of a recovery point.",
    "replica": "Create a replica from removable media: export, carry, import.",
    "agent": "Install, update, verify or remove the agent of a host.",
    "verify": "Look for damage in what is stored, and heal it.",
    "catalogue": "Make the catalogue anew from the repositories, when it is lost.",
    "disk": "Look at files of virtual disks, and copy them into other formats.",
    "lab": "Hyper-V hosts without Windows, to try everything on.",
}


class LazyGroup(click.Group):
    """Imports a command when it is called: `--help` must not wait for what it does not need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of a first day."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        found: click.Command = importlib.import_module(f"reconciler.cli.{module}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table above."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    envvar="RECONCILER_LOG_LEVEL",
    show_default=True,
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "console"]),
    default="auto",
    envvar="RECONCILER_LOG_FORMAT",
    help="auto: JSON lines, and readable ones on a terminal.",
)
@click.version_option(package_name="hyperv-reconciler")
def cli(log_level: str, log_format: Literal["auto", "json", "console"]) -> None:
    """Backups of Hyper-V machines, declared in YAML, reviewed as plans, and kept true."""
    from reconciler import logs  # noqa: PLC0415 (--help must not wait for it)

    logs.configure(log_level, log_format)


def main() -> None:
    """Run a command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; its exit code."""
    try:
        result = cli.main(arguments, prog_name="reconciler", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (see _ended)
        return _ended(error)
    return result if isinstance(result, int) else ExitCode.OK


def _ended(error: BaseException) -> int:
    """Say what ended a command."""
    match error:
        case errors.ReconcilerError():
            _tell(error.message, error.hint, error.code)
            return exit_code_of(error)
        case click.ClickException():
            error.show()
            return ExitCode.USAGE if isinstance(error, click.UsageError) else ExitCode.FAILED
        case click.Abort() | KeyboardInterrupt():
            text = "interrupted; the next pass, or the same command again, finishes what was begun"
            click.echo(text, err=True)
            return ExitCode.INTERRUPTED
        case BrokenPipeError():
            return ExitCode.FAILED
        case _:
            return _crashed(error)


def _crashed(error: BaseException) -> int:
    """A fault of ours: to the log, which keeps secrets out as Python's own way would not."""
    from reconciler.logs import Event, get_logger  # noqa: PLC0415

    get_logger().error(Event.COMMAND_CRASHED, exc_info=error)
    _tell(f"unexpected {type(error).__name__}", "please report it, with the log", "unexpected")
    return ExitCode.FAILED


def _tell(message: str, hint: str, code: str) -> None:
    click.echo(f"error: {message} ({code})", err=True)
    click.echo(f"  = hint: {hint}", err=True)
