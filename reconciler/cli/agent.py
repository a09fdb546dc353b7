"""`reconciler agent`: the protection agent on hosts."""

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from reconciler.adapters.hyperv.install.installer import Manners
from reconciler.adapters.hyperv.install.verify import Complaint
from reconciler.agent_contract.jea import Access
from reconciler.agents import HostAgent, Login, host_agent, password_of
from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.plan.diff import printable
from reconciler.settings import Settings

TRANSCRIPTS: Final = "C:\\ProgramData\\ReconcilerAgent\\Transcripts"
_FOLDER: Final = re.compile(r"[A-Za-z]:\\|\\\\[^\\]+\\[^\\]")
_ACCOUNT: Final = re.compile(r"[^\\/@\s\x00-\x1f][^\\/@\x00-\x1f]*\\[^\\/@\x00-\x1f]+")
_MOST_SIGNS: Final = 250


@click.group("agent")
def command() -> None:
    """Install the protection agent on a Hyper-V host, and look after it.

    HOST is the name of a HyperVHost policy. Installing needs an administrator of the host once; his
    password is neither stored nor logged.

    Not run on Windows yet: the registration of the end point, the restart of WinRM, virtual
    accounts. The lab stands in for them: `reconciler lab up --engine powershell --bare`.
    """


def _as_administrator(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of what is done as an administrator of the host."""
    for option in (
        click.option("--yes", is_flag=True, help="WinRM may restart without a question."),
        click.option("--dry-run", is_flag=True, help="Sign in, look, and only tell the steps."),
        click.option(
            "--password",
            "reference",
            help="Where the administrator's password is: env:NAME or file:path. Asked if left out.",
        ),
        click.option(
            "--user", required=True, help=r"An administrator of the host, such as DOMAIN\name."
        ),
        click.argument("host"),
        with_settings,
    ):
        function = option(function)
    return function


def _with_access(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of who may use the end point, and as whom the agent runs."""
    for option in (
        click.option(
            "--no-transcripts", is_flag=True, help="Sessions write no transcripts on the host."
        ),
        click.option("--transcripts", help=f"Folder of transcripts on the host: {TRANSCRIPTS}"),
        click.option(
            "--required-group", multiple=True, help="Who connects has to be in it, too. Repeatable."
        ),
        click.option(
            "--virtual-account-group",
            multiple=True,
            help="Local group of the virtual account, such as 'Hyper-V Administrators'; "
            "administrators if left out. Repeatable.",
        ),
        click.option(
            "--gmsa",
            default="",
            help=r"Run as this group managed service account, DOMAIN\name$, and not as a virtual "
            "account.",
        ),
        click.option(
            "--allow",
            multiple=True,
            help=r"DOMAIN\account or group that may use the end point; the policy's user if left "
            "out. Repeatable.",
        ),
    ):
        function = option(function)
    return function


@command.command("install")
@_as_administrator
@_with_access
def install(settings: Settings, host: str, user: str, **given: Any) -> int:
    """Install the agent on HOST; what is there already stays, so it may be run again."""
    agent = host_agent(settings.policies, host)
    return _bring(agent, user, _access(agent, given), given)


@command.command("update")
@_as_administrator
@_with_access
def update(settings: Settings, host: str, user: str, **given: Any) -> int:
    """Bring the agent on HOST to this version: only what differs.

    The old version stays until the new one is verified, and is put back if it is not. The end point
    stays as it is registered; an option about it makes it anew, of all that the options say.
    """
    agent = host_agent(settings.policies, host)
    said = ("allow", "gmsa", "virtual_account_group", "required_group", "transcripts")
    is_said = given["no_transcripts"] or any(given[each] for each in said)
    return _bring(agent, user, _access(agent, given) if is_said else None, given)


@command.command("verify")
@with_settings
@click.argument("host")
def verify(settings: Settings, host: str) -> int:
    """Ask the agent on HOST, with the credentials of its policy, whether it is as it should be.

    Exits 1 when something is wrong. An agent that somebody changed on purpose can lie.
    """
    agent = host_agent(settings.policies, host)
    return _told(agent, agent.complaints())


@command.command("remove")
@_as_administrator
def remove(settings: Settings, host: str, user: str, **given: Any) -> int:
    """Take the agent off HOST: its end point and its files. Its journal and transcripts stay."""
    agent = host_agent(settings.policies, host)
    left = agent.remove(_login(user, given["reference"]), _manners(given))
    for path in left:
        click.echo(printable(f"left, because it is not ours: {path}"))
    if not given["dry_run"]:
        click.echo(f"the agent is off {host}")
    return ExitCode.OK


def _bring(agent: HostAgent, user: str, access: Access | None, given: dict[str, Any]) -> int:
    login = _login(user, given["reference"])
    complaints = agent.install(login, access, _manners(given))
    return ExitCode.OK if given["dry_run"] else _told(agent, complaints)


def _told(agent: HostAgent, complaints: Sequence[Complaint]) -> int:
    name, version = agent.policy.name, agent.version.version
    for complaint in complaints:
        text = complaint.text.removeprefix(f"{name} ")
        click.echo(printable(f"{name}: {text}"))
        click.echo(printable(f"  = hint: {complaint.remedy}"))
    if not complaints:
        click.echo(f"the agent on {name} is version {version}, as it should be")
    return ExitCode.FAILED if complaints else ExitCode.OK


def _manners(given: dict[str, Any]) -> Manners:
    def confirms(question: str) -> bool:
        if given["yes"]:
            click.echo(question.removesuffix(" Go on?"))
            return True
        return sys.stdin.isatty() and click.confirm(question)

    return Manners(lambda text: click.echo(printable(text)), confirms, given["dry_run"])


def _login(user: str, reference: str | None) -> Login:
    if not user.strip():
        raise click.UsageError("--user names nobody")
    if reference is not None:
        return Login(user, password_of(reference))
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked for the password here: give --password")
    return Login(user, click.prompt(f"Password of {user}", hide_input=True, err=True))


def _access(agent: HostAgent, given: dict[str, Any]) -> Access:
    accounts = given["allow"] or ((agent.policy.user,) if agent.policy.user else ())
    if not accounts:
        raise click.UsageError("the policy names no user: say with --allow who may connect")
    groups = (*given["virtual_account_group"], *given["required_group"])
    if given["gmsa"] and given["virtual_account_group"]:
        raise click.UsageError("--virtual-account-group is for a virtual account, not for --gmsa")
    for account in (*accounts, *filter(None, (given["gmsa"],))):
        if not _ACCOUNT.fullmatch(account) or len(account) > _MOST_SIGNS:
            raise click.UsageError(rf"'{account}' is not of the form DOMAIN\name: see --allow")
    for text in (*groups, given["transcripts"] or ""):
        if len(text) > _MOST_SIGNS or not (text.isprintable()):
            raise click.UsageError(f"{text[:40]!r} is no name of a group or folder")
    folder = "" if given["no_transcripts"] else given["transcripts"] or TRANSCRIPTS
    if folder and not _FOLDER.match(folder):
        raise click.UsageError(f"'{folder}' is no whole path on the host, such as D:\\Logs")
    return Access(
        accounts=tuple(accounts),
        group_managed_account=given["gmsa"],
        virtual_account_groups=tuple(given["virtual_account_group"]),
        required_groups=tuple(given["required_group"]),
        transcripts=folder,
    )
