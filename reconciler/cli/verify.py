"""`reconciler verify`: is everything still there, and is it what was written?"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from reconciler.app import App, open_app
from reconciler.blocks.verify import Depth, Finding
from reconciler.cli.exit_codes import ExitCode
from reconciler.cli.options import with_settings
from reconciler.cli.show import local
from reconciler.cli.verifying import Told, VerifyWish, verify_volumes
from reconciler.errors import ItemNotFoundError
from reconciler.model.names import DataSourceId, RecoveryPointId
from reconciler.plan.diff import printable
from reconciler.plan.words import counted
from reconciler.settings import Settings

_SHOWN: Final = 50
"""Findings of one volume that are told one by one."""


class _Share(click.ParamType[float]):
    name = "share"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value).removesuffix("%")
        try:
            share = float(text) / 100
        except ValueError:
            self.fail(f"{value!r} is no share; write 5%", param, ctx)
        if not 0 < share <= 1:
            self.fail(f"{value!r} is not above 0% and up to 100%", param, ctx)
        return share


@click.command("verify")
@with_settings
@click.argument("machine", required=False, metavar="[VM]")
@click.option("--volume", metavar="NAME", help="Only this volume; POOL/VOLUME where names repeat.")
@click.option("--quick", is_flag=True, help="Structure only: manifests, nodes, tables of packs.")
@click.option(
    "--sample",
    type=_Share(),
    metavar="5%",
    help="And the blocks of a share of the packs, those first that were verified longest ago.",
)
@click.option("--full", is_flag=True, help="And every block. The default.")
@click.option("--heal", is_flag=True, help="Write packs with damage anew, with what can be found.")
@click.option(
    "--copy",
    "copies",
    multiple=True,
    type=click.Path(path_type=Path, resolve_path=True),
    help="A folder with a copy of the repository, to heal from; repeatable.",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(settings: Settings, output: str, **asked: object) -> int:
    """Look for damage in what is stored, of one machine or of all.

    Damage is named with the recovery points it hurts, and shown with them from then on. What the
    newest point of a machine lost also comes back from its source by a consistency check. Exits 1
    when something is damaged, and 8 when a volume could not be looked at.
    """
    wish = _wish(asked)
    with open_app(settings) as app:
        told = verify_volumes(app, wish, _progress)
        if output == "json":
            data = {"depth": wish.depth.value, "volumes": [_data(app, each) for each in told]}
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        else:
            for each in told:
                for line in _lines(app, each):
                    click.echo(printable(line))
    if any(not each.is_sound and each.problem is None for each in told):
        return ExitCode.FAILED
    return ExitCode.PARTLY_DONE if any(each.problem for each in told) else ExitCode.OK


def _wish(asked: dict[str, object]) -> VerifyWish:
    depths = [name for name in ("quick", "sample", "full") if asked[name]]
    if len(depths) > 1:
        raise click.UsageError("choose one of --quick, --sample and --full")
    if asked["copies"] and not asked["heal"]:
        raise click.UsageError("--copy is for --heal")
    depth = Depth(depths[0]) if depths else Depth.FULL
    share, machine, volume = asked["sample"], asked["machine"], asked["volume"]
    return VerifyWish(
        depth,
        share if isinstance(share, float) else 1.0,
        machine if isinstance(machine, str) else None,
        volume if isinstance(volume, str) else None,
        heals=bool(asked["heal"]),
        copies=tuple(asked["copies"]) if isinstance(asked["copies"], tuple) else (),
    )


def _progress(done: int, count: int) -> None:
    """On a terminal only, about a hundred times."""
    if sys.stderr.isatty() and (done == count or done % max(1, count // 100) == 0):
        click.echo(f"\r{done} of {counted(count, 'pack')}", err=True, nl=done == count)


def _lines(app: App, told: Told) -> Iterator[str]:
    volume, looked = told.volume, told.looked
    name = f"{volume.pool}/{volume.name}"
    if told.problem is not None:
        yield f"! {name}: {told.problem.message}"
        yield f"      = hint: {told.problem.hint}"
        return
    packs = counted(len(looked.needed), "pack")
    yield f"{name}  {_verdict(told)}; {looked.packs_read} of {packs} read"
    if told.healed is not None:
        blocks = counted(told.healed.blocks, "block")
        yield f"  healed: {blocks} given back, {told.healed.lost} lost"
    for source, error in told.headless.items():
        yield f"  ! {_machine(app, source)}, its replica: {error.message}"
    for (source, point), error in told.unreadable.items():
        yield f"  ! {_point(app, source, point)}: {error.message}"
    for finding in told.findings[:_SHOWN]:
        yield (
            f"  ! {_point(app, finding.source, finding.point)}, disk "
            f"{told.slots.get(finding.disk, finding.disk)}: "
            f"{counted(finding.block_count, 'block')} from "
            f"{finding.first_block}: {finding.error.message}"
        )
    if (more := len(told.findings) - _SHOWN) > 0:
        yield f"  ! and {more} more findings"
    for hint in _hints(told):
        yield f"    = hint: {hint}"


def _verdict(told: Told) -> str:
    if told.is_sound:
        return "sound"
    points = {finding.point for finding in told.findings} | {p for _, p in told.unreadable}
    parts = [f"{counted(len(points), 'recovery point')} damaged"] if points else []
    if told.looked.blocks_damaged:
        parts.append(f"{counted(told.looked.blocks_damaged, 'block')} damaged")
    if told.headless:
        parts.append(f"{counted(len(told.headless), 'replica')} without a head")
    return ", ".join(parts) or "damaged"


def _hints(told: Told) -> Iterator[str]:
    """What to do next; not again what has just been tried."""
    check = "reconciler request consistency-check VM"
    if told.findings or told.looked.blocks_damaged:
        heal = "from a copy of the repository: reconciler verify --heal --copy FOLDER"
        if told.healed is None:
            yield "give back what another volume has: reconciler verify --heal"
        yield f"{heal}; new points become whole by {check}"
    if told.unreadable:
        yield f"a manifest comes back only from a copy: put its file back; new points need {check}"
    if told.headless:
        yield f"compare the replica with its machine: {check}"


def _point(app: App, source: DataSourceId, point: RecoveryPointId) -> str:
    """As `show` has it, with the id that is in the repository."""
    known = next((s for s in app.catalogue.sources() if s.id == source), None)
    try:
        at = app.catalogue.recovery_point(point).captured_at
    except ItemNotFoundError:
        return f"{_machine(app, source)}, recovery point {point}"
    when = local(at, app.zone_of((known and known.group) or ""))
    return f"{_machine(app, source)}, recovery point of {when} ({point})"


def _data(app: App, told: Told) -> dict[str, object]:
    volume, looked = told.volume, told.looked
    data: dict[str, object] = {
        "pool": volume.pool,
        "volume": volume.name,
        "is_sound": told.is_sound,
        "packs": len(looked.needed),
        "packs_read": looked.packs_read,
        "blocks_damaged": looked.blocks_damaged,
        "findings": [_finding(app, finding) for finding in told.findings],
        "unreadable": [
            {"vm": _machine(app, source), "recovery_point": point, "message": error.message}
            for (source, point), error in told.unreadable.items()
        ],
        "headless": [
            {"vm": _machine(app, source), "message": error.message}
            for source, error in told.headless.items()
        ],
    }
    if told.problem is not None:
        data |= {"problem": told.problem.message, "hint": told.problem.hint}
    if told.healed is not None:
        data["healed"] = {"blocks": told.healed.blocks, "lost": told.healed.lost}
    return data


def _finding(app: App, finding: Finding) -> dict[str, object]:
    return {
        "vm": _machine(app, finding.source),
        "recovery_point": finding.point,
        "disk": finding.disk,
        "first_block": finding.first_block,
        "blocks": finding.block_count,
        "code": finding.error.code,
        "message": finding.error.message,
    }


def _machine(app: App, source: str) -> str:
    return next((s.label for s in app.catalogue.sources() if s.id == source), source)
