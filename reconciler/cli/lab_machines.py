"""The commands of `reconciler lab` that change what hosts and machines are."""

from pathlib import Path

import click

from reconciler.lab import nodes
from reconciler.lab.control import ControlClient, client_for_machine
from reconciler.lab.witness import begin as witness_folder
from reconciler.lab.witness import end as end_witness

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".lab"),
    envvar="RECONCILER_LAB",
    show_default=True,
    help="Folder of the lab.",
)


@click.command("set")
@folder_option
@click.argument("machine", metavar="VM")
@click.argument("name", metavar="PROPERTY")
@click.argument("value")
def set_property(folder: Path, machine: str, name: str, value: str) -> None:
    """Set what a host shows of a machine.

    Properties have their real names: State, Notes, OperationalStatus, ReplicationState,
    IntegrationServices.VSS.PrimaryOperationalStatus, HardDrives.0.DiskNumber, Jobs (108:Running).
    GroupState is what a cluster shows: Failed, PartialOnline, Pending; null ends that.
    A replica is called by its label, such as erp-01-replica.
    """
    client_for_machine(folder, machine).ask("set", vm=machine, name=name, value=value)
    click.echo(f"{machine}: {name} is {value}")


@click.command("volume")
@folder_option
@click.argument("host")
@click.argument("path")
@click.argument("name", metavar="PROPERTY")
@click.argument("value")
def set_volume(folder: Path, host: str, path: str, name: str, value: str) -> None:
    """Set what a host shows of a volume: DedupEnabled, ProtectionStatus, Size, SizeRemaining."""
    ControlClient(folder, host).ask("set_volume", path=path, name=name, value=value)
    click.echo(f"{path} on {host}: {name} is {value}")


@click.command("host")
@folder_option
@click.argument("host")
@click.argument("name", metavar="PROPERTY")
@click.argument("value")
def set_host(folder: Path, host: str, name: str, value: str) -> None:
    r"""Set what a host or a file server has that backups need.

    VssProviders (1,2,3), NoAutoMount (0 or 1), Chimney, IntegrationServicesVersion,
    FileServerVssAgent (an InstallState), ShareAccess.SHARE (LAB\HV1$:Allow:Full,…). Of a machine,
    `lab set` has ScsiControllers and IntegrationServicesVersion.
    """
    ControlClient(folder, host).ask("set_requirement", name=name, value=value)
    click.echo(f"{host}: {name} is {value}")


@click.command("migrate")
@folder_option
@click.argument("machine", metavar="VM")
@click.option("--to", "target", metavar="HOST", required=True, help="Another node of the cluster.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, 600),
    default=0.5,
    show_default=True,
    help="How long it takes.",
)
@click.option("--wait/--no-wait", default=True, help="Return when it is over, or at once.")
def migrate(folder: Path, machine: str, target: str, seconds: float, *, wait: bool) -> None:
    """Live-migrate a machine of a cluster to another node."""
    source = client_for_machine(folder, machine)
    deed = "migrate" if wait else "begin_migration"
    source.ask(deed, vm=machine, to=target, seconds=seconds)
    if wait:
        ControlClient(folder, target).ask("ping")
    click.echo(f"{machine} {'is on' if wait else 'is on its way to'} {target}")


@click.command("move-storage")
@folder_option
@click.argument("machine", metavar="VM")
@click.argument("target", metavar="PATH")
def move_storage(folder: Path, machine: str, target: str) -> None:
    r"""Move the disks of a machine to another folder of its host, such as D:\moved.

    As in a storage migration that has ended: the files are elsewhere, and what changed in them
    since the last backup is not known any more.
    """
    paths = client_for_machine(folder, machine).ask("move_storage", vm=machine, path=target)
    for path in paths:
        click.echo(path)


@click.command("node")
@folder_option
@click.argument("host")
@click.option("--lose", "deed", flag_value="lose", help="It goes down with no warning.")
@click.option("--stop", "deed", flag_value="stop", help="It is shut down; machines move first.")
@click.option("--start", "deed", flag_value="start", help="It comes up.")
@click.option("--restart", "deed", flag_value="restart", help="It is restarted as planned.")
def node(folder: Path, host: str, deed: str | None) -> None:
    """Lose, stop, start or restart a host; it may be the node of a cluster."""
    if deed is None:
        raise click.UsageError("say what to do: --lose, --stop, --start or --restart")
    done = {
        "lose": nodes.lose,
        "stop": nodes.stop,
        "start": nodes.start,
        "restart": nodes.restart,
    }
    done[deed](folder, host)
    said = {"lose": "is lost", "stop": "is down", "start": "is up", "restart": "is up again"}
    click.echo(f"{host} {said[deed]}")


@click.command("witness")
@folder_option
@click.option("--keep/--forget", "is_on", default=True, help="Begin, or end and delete them.")
def witness(folder: Path, *, is_on: bool) -> None:
    """Keep the shadows of each recovery checkpoint as of its own instant, by the job's id.

    So every recovery point has its judge, however busily guests write. Costs a copy each time.
    """
    if is_on:
        click.echo(f"from now on each checkpoint leaves its shadows in {witness_folder(folder)}")
    else:
        end_witness(folder)
        click.echo("no more shadows are kept")


COMMANDS = (set_property, set_volume, set_host, migrate, move_storage, node, witness)
