"""`reconciler disk`: look at files of virtual disks, and copy them into other formats."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit_codes import ExitCode
from reconciler.plan.diff import printable
from reconciler.plan.words import counted, shown_bytes

if TYPE_CHECKING:
    from reconciler.blocks.disk_inspect import DiskReport, FileReport
    from reconciler.blocks.disk_source import FileFormat

FORMAT = click.Choice(["raw", "vhd", "vhdx"])
PATH = click.Path(path_type=Path)


@click.group("disk")
def command() -> None:
    """Files of virtual disks on this machine: VHDX, VHD and raw."""


@command.command("inspect")
@click.argument("file", type=PATH)
@click.option("--format", "told", type=FORMAT, help="What FILE is, where its name does not say.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def inspect(file: Path, told: str | None, output: str) -> int:
    """Show what a virtual disk is, with all its parents, and what is wrong with it.

    Only reads. Exits 1 when there are problems.
    """
    from reconciler.blocks.disk_inspect import inspect_disk  # noqa: PLC0415

    report = inspect_disk(file.absolute(), _format(told))
    if output == "json":
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        for line in _lines(report):
            click.echo(printable(line))
    return ExitCode.FAILED if report.problems else ExitCode.OK


@command.command("convert")
@click.argument("source", metavar="SRC", type=PATH)
@click.argument("target", metavar="DST", type=PATH)
@click.option("--format", "wanted", type=FORMAT, help="Of DST; else as its name says.")
@click.option("--source-format", "told", type=FORMAT, help="Of SRC; else as its name says.")
@click.option(
    "--subformat",
    type=click.Choice(["dynamic", "fixed"]),
    default="dynamic",
    show_default=True,
    help="Of a VHD.",
)
def convert(
    source: Path, target: Path, wanted: str | None, told: str | None, subformat: str
) -> None:
    """Copy a virtual disk into a new file of another format; a chain becomes one disk.

    SRC is only read, DST must not exist. The new disk has an id of its own.
    """
    from reconciler.blocks.disk_convert import (  # noqa: PLC0415
        Target,
        bytes_to_copy,
        convert_disk,
    )
    from reconciler.blocks.disk_local import LocalFiles  # noqa: PLC0415
    from reconciler.blocks.disk_source import FileFormat, named_format, open_source  # noqa: PLC0415

    kind = _format(wanted) or named_format(target)
    is_fixed = subformat == "fixed"
    if is_fixed and kind is not FileFormat.VHD:
        raise click.UsageError("--subformat fixed is for a VHD")
    with LocalFiles() as files:
        disk = open_source(files, source.absolute(), _format(told))
        length = bytes_to_copy(disk)
        with click.progressbar(
            length=length, label=source.name, file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:
            convert_disk(disk, Target(target.absolute(), kind, is_fixed), bar.update)
    size = shown_bytes(disk.virtual_bytes)
    click.echo(printable(f"made {target}: {kind}, {size}, {shown_bytes(length)} of it read"))


def _format(name: str | None) -> "FileFormat | None":
    from reconciler.blocks.disk_source import FileFormat  # noqa: PLC0415

    return None if name is None else FileFormat(name)


def _lines(report: "DiskReport") -> Iterator[str]:
    for level, file in enumerate(report.files):
        yield f"{'parent ' if level else ''}{file.path}"
        for name, text in _facts(report, file):
            yield f"  {name:<16} {text}"
    if report.allocated_bytes is not None:
        yield f"not known to be zeros: {shown_bytes(report.allocated_bytes)}"
    for problem in report.problems:
        yield f"! {problem}"
    if not report.problems:
        yield "no problems found"


def _facts(report: "DiskReport", file: "FileReport") -> Iterator[tuple[str, str]]:
    kind = "" if file.kind == report.format else f", {file.kind}"
    yield "format", f"{report.format}{kind}"
    yield "virtual size", f"{shown_bytes(file.virtual_bytes)} ({file.virtual_bytes} bytes)"
    yield "file size", shown_bytes(file.file_bytes)
    yield "sectors", f"{file.logical_sector_bytes} logical, {file.physical_sector_bytes} physical"
    if file.block_bytes:
        held = shown_bytes(file.stored_blocks * file.block_bytes)
        yield "block size", shown_bytes(file.block_bytes)
        yield "in the file", f"{counted(file.stored_blocks, 'block')}, {held}"
        states = [f"{count} {state}" for state, count in file.blocks.items() if count]
        yield "block states", ", ".join(states).replace("_", " ")
    for name, value in (*file.ids.items(), *_log(file), *file.parent.items()):
        yield name.replace("_", " "), value


def _log(file: "FileReport") -> Iterator[tuple[str, str]]:
    if file.log == "replay pending":
        updates = counted(file.pending_updates, "place")
        yield "log", f"replay pending: {updates} differ from the file; shown as replayed"
    elif file.log != "none":
        yield "log", file.log
