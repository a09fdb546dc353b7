"""`reconciler lab`: Hyper-V hosts without Windows."""

import json
import math
from pathlib import Path

import click

from reconciler.cli import lab_machines
from reconciler.cli.lab_faults import fault
from reconciler.errors import HostUnreachableError
from reconciler.lab import processes
from reconciler.lab.clock import LabClock
from reconciler.lab.control import ControlClient, client_for_machine, host_names
from reconciler.lab.launch import BARE, noted_engine
from reconciler.plan.words import shown_bytes

_folder = lab_machines.folder_option
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("lab")
def command() -> None:
    """Hyper-V hosts without Windows, to try everything on.

    The hosts are processes on loopback that speak WinRM. Their disks are real VHDX files with real
    file systems, and each guest write is mirrored to a raw shadow, so that what is recovered can be
    compared with something no code of ours has touched.
    """


@command.command("up")
@_folder
@click.option(
    "--of",
    "kind",
    type=click.Choice(["two-hosts", "full", "cluster"]),
    help="What a new lab consists of; two-hosts when left out.",
)
@click.option(
    "--engine",
    type=click.Choice(["python", "powershell"]),
    help="What answers as the hosts' agents; powershell needs PowerShell 7 ($PWSH or the PATH).",
)
@click.option(
    "--bare",
    is_flag=True,
    help="With --engine powershell: the agent is not installed yet; see `reconciler agent`.",
)
def up(folder: Path, kind: str | None, engine: str | None, *, bare: bool) -> None:
    """Make the lab if it is not there, and start its hosts."""
    from reconciler.lab.certificates import Certificates  # noqa: PLC0415 (slow, rarely needed)

    if bare and engine != "powershell":
        raise click.UsageError("--bare is for --engine powershell")
    processes.up(folder, of=kind or "", engine=BARE if bare else engine or "")
    _print_status(folder)
    files = Certificates(folder)
    if noted_engine(folder) == BARE:
        path = folder / processes.ADMINISTRATOR_PASSWORD_FILE
        click.echo(f"password of {processes.ADMINISTRATOR}, who may install the agent: {path}")
    click.echo(f"password of {processes.ACCOUNT}: {folder / processes.PASSWORD_FILE}")
    click.echo(f"for HTTPS: trust {files.authority}")
    click.echo(f"its client: certificate {files.client}, key {files.client_key}")


@command.command("down")
@_folder
@click.option("--delete", is_flag=True, help="Also delete the lab with all its disks.")
def down(folder: Path, *, delete: bool) -> None:
    """Stop the hosts; their state stays."""
    stopped = processes.down(folder)
    click.echo(f"stopped: {', '.join(stopped) or 'nothing was running'}")
    if delete:
        from reconciler.lab.certificates import Certificates  # noqa: PLC0415 (slow)
        from reconciler.lab.create import delete_lab  # noqa: PLC0415 (slow, and rarely needed)

        delete_lab(folder)
        (folder / processes.PASSWORD_FILE).unlink(missing_ok=True)
        (folder / processes.ADMINISTRATOR_PASSWORD_FILE).unlink(missing_ok=True)
        Certificates(folder).delete()
        click.echo(f"deleted the lab in {folder}")


@command.command("status")
@_folder
def status(folder: Path) -> None:
    """Show which hosts run, and their machines."""
    _print_status(folder)


@command.command("write")
@_folder
@click.argument("machine", metavar="VM")
@click.option("--mib", type=click.FloatRange(min=0.01, max=64), default=2.0, show_default=True)
@click.option("--seed", help="Makes the bytes that are written repeatable.")
@_as_json
def write(folder: Path, machine: str, mib: float, seed: str | None, *, as_json: bool) -> None:
    """Let the guest of a machine overwrite parts of its files."""
    written = client_for_machine(folder, machine).ask(
        "write", vm=machine, total_bytes=int(mib * (1 << 20)), seed=seed
    )
    click.echo(json.dumps(written) if as_json else f"{machine} wrote {shown_bytes(written)}")


@command.command("shadow")
@_folder
@click.option("--to", "target", type=click.Path(path_type=Path, resolve_path=True), required=True)
def shadow(folder: Path, target: Path) -> None:
    """Copy the raw shadows of all disks, each host's as of one instant."""
    for name in host_names(folder):
        try:
            paths = ControlClient(folder, name).ask("shadow", target=str(target))
        except HostUnreachableError:
            click.echo(f"{name} is down: no shadows of what is there", err=True)
            continue
        for path in paths:
            click.echo(path)


@command.command("clock")
@_folder
@click.option(
    "--advance",
    metavar="MINUTES",
    type=click.FloatRange(-5_000_000, 5_000_000),
    help="Move the lab's time; may be < 0.",
)
def clock(folder: Path, advance: float | None) -> None:
    """Show the lab's time, or move it."""
    lab_clock = LabClock(folder)
    if advance is not None and math.isfinite(advance):
        lab_clock.advance(advance * 60)
    click.echo(f"{lab_clock():%Y-%m-%d %H:%M:%S} UTC")


@command.command("files")
@_folder
@click.argument("machine", metavar="VM")
@_as_json
def files(folder: Path, machine: str, *, as_json: bool) -> None:
    """Show what the files of a guest hold now, by SHA-256."""
    found = client_for_machine(folder, machine).ask("known_files", vm=machine)
    if as_json:
        click.echo(json.dumps(found))
        return
    for each in found:
        click.echo(f"{each['sha256']}  disk {each['disk_number']} {each['path']}")


@command.command("traffic")
@_folder
@_as_json
def traffic(folder: Path, *, as_json: bool) -> None:
    """Show how many bytes crossed the sockets of each host since it was started."""
    counts = {name: ControlClient(folder, name).ask("traffic") for name in host_names(folder)}
    if as_json:
        click.echo(json.dumps(counts))
        return
    for name, count in counts.items():
        click.echo(f"{name}  {count:,} bytes")


@command.command("delete-machine")
@_folder
@click.argument("machine", metavar="VM")
def delete_machine(folder: Path, machine: str) -> None:
    """Delete a machine from its host, as somebody with Hyper-V Manager would."""
    client_for_machine(folder, machine).ask("delete_machine", vm=machine)
    click.echo(f"deleted {machine}")


for _command in (*lab_machines.COMMANDS, fault):
    command.add_command(_command)


def _print_status(folder: Path) -> None:
    hosts = processes.status(folder)
    if not hosts:
        click.echo(f"there is no lab in {folder}; make it: reconciler lab up")
    for host in hosts:
        state = "running" if host.is_running else "stopped"
        machines = f"  machines: {', '.join(host.machines)}" if host.machines else ""
        ports = f"  HTTPS {host.tls_port}" if host.tls_port else ""
        ports += f"  SMB {host.smb_port}" if host.smb_port else ""
        click.echo(f"{host.name}  {host.address}:{host.port}{ports}  {state}{machines}")
