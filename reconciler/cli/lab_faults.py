"""`reconciler lab fault`: what goes wrong in the lab, until it is cleared."""

import json
from pathlib import Path

import click

from reconciler.cli.lab_machines import folder_option
from reconciler.lab import faulty_hosts

_host = click.option("--host", metavar="HOST", help="A host of the lab.")
_vm = click.option("--vm", metavar="VM", help="A machine, by name; a replica by its label.")


@click.group("fault")
def fault() -> None:
    """Let things go wrong in the lab.

    The faults are in the lab and stay there, also when its hosts are restarted: whoever talks to it
    sees what a real host in trouble shows.

    \b
    Of a host:     host-down, connection-reset, no-answer, wrong-password, volume-full, node-lost
    Of a machine:  tracking-reset (once), checkpoint-exception, checkpoint-warns,
                   configuration-gone, merge-stuck, merge-failed, resume-fails
    Of a replica:  replica-resyncing, replica-critical, replica-applying-hrl, replica-hrl-failed,
                   replica-in-failover, replica-initial
    """  # noqa: D301 (click knows the character by itself)


@fault.command("set")
@folder_option
@click.argument("kind")
@_host
@_vm
@click.option("--count", type=click.IntRange(min=1), help="Only so many times.")
def set_fault(folder: Path, kind: str, host: str | None, vm: str | None, count: int | None) -> None:
    """Let something go wrong: with a host, or with a machine.

    --count is for what happens: connection-reset, no-answer, wrong-password, checkpoint-exception,
    checkpoint-warns and resume-fails. All else is so until it is cleared.
    """
    if (host is None) == (vm is None):
        raise click.UsageError("say whose fault it is: --host or --vm")
    faulty_hosts.set_fault(folder, kind, faulty_hosts.Place(host, vm), count)
    click.echo(f"{kind} of {vm or host}")


@fault.command("clear")
@folder_option
@click.argument("kind", required=False)
@_host
@_vm
def clear_faults(folder: Path, kind: str | None, host: str | None, vm: str | None) -> None:
    """Let all be well again: of a machine, of a host with its machines, or everywhere."""
    if host is not None and vm is not None:
        raise click.UsageError("--host and --vm cannot both be given")
    count = faulty_hosts.clear_faults(folder, kind, faulty_hosts.Place(host, vm))
    click.echo(f"cleared: {count}")


@fault.command("list")
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_faults(folder: Path, *, as_json: bool) -> None:
    """Show what goes wrong now."""
    found = faulty_hosts.list_faults(folder)
    if as_json:
        click.echo(json.dumps(found))
        return
    for each in found:
        left = f"  {each['left']} times" if each["left"] is not None else ""
        click.echo(f"{each['host']}  {each['vm'] or '-'}  {each['kind']}{left}")
