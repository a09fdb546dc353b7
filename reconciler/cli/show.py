"""`reconciler show`: hosts → machines → recovery points."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import click

from reconciler.app import App, open_app
from reconciler.blocks.manifest import Manifest
from reconciler.cli.configuration_lines import configuration_lines
from reconciler.cli.left_out import Told, left_out_data, left_out_lines, left_out_of
from reconciler.cli.options import with_settings
from reconciler.errors import ReconcilerError
from reconciler.model.names import RecoveryPointId
from reconciler.model.protection import DataSource, RecoveryPoint, Replica
from reconciler.plan.actions import Plan, RecoverDisks
from reconciler.plan.diff import printable
from reconciler.plan.words import shown_bytes
from reconciler.record.entries import Alert
from reconciler.settings import Settings

_MOST_READ: Final = 20
"""Of the points of one machine."""


@click.command("show")
@with_settings
@click.argument("machine", required=False, metavar="[VM]")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(settings: Settings, machine: str | None, output: str) -> None:
    """Show open alerts, hosts with their machines and recovery points, and the volumes.

    With VM only that machine: a name, or an id of ours or Hyper-V's. Times are in the zone of the
    machine's group. No host is asked: this is what the catalogue holds.
    """
    with open_app(settings) as app:
        catalogue = app.catalogue
        sources = (
            (catalogue.source_by_name(machine),) if machine is not None else catalogue.sources()
        )
        replicas, points = catalogue.replicas(), catalogue.all_recovery_points()
        shown = [Shown(app, s, replicas[s.id], points.get(s.id, ())) for s in sources]
        names = {each.source.label for each in shown}
        alerts = [a for a in catalogue.alerts() if machine is None or a.subject in names]
        volumes = list(shown_volumes(app)) if machine is None else []
        if machine is not None:
            for each in shown:
                each.read_points(app)
    shown.sort(key=lambda each: (each.source.host, each.source.label))
    if output == "json":
        click.echo(json.dumps(_data(shown, alerts, volumes), indent=2, ensure_ascii=False))
        return
    for line in [*alert_lines(alerts), *_lines(shown), *_volume_lines(volumes)]:
        click.echo(printable(line))
    if not shown:
        click.echo("nothing is protected yet; see what is due: reconciler plan")
        click.echo("if there were backups, and the catalogue is lost: reconciler catalogue rebuild")


def _data(
    shown: list["Shown"], alerts: Sequence[Alert], volumes: list[dict[str, object]]
) -> dict[str, object]:
    return {
        "alerts": [
            {
                "kind": alert.kind,
                "severity": alert.severity,
                "subject": alert.subject,
                "message": alert.message,
                "hint": alert.hint,
                "opened_at": alert.opened_at.isoformat(),
            }
            for alert in alerts
        ],
        "machines": [each.data() for each in shown],
        "volumes": volumes,
    }


def alert_lines(alerts: Sequence[Alert]) -> Iterator[str]:
    """Open alerts for a person, the gravest first."""
    for alert in alerts:
        since = f"{alert.kind}, since {alert.opened_at:%Y-%m-%d %H:%M} UTC"
        yield f"! {alert.severity:<7} {alert.subject}: {alert.message} ({since})"
        yield f"      = hint: {alert.hint}"
    if alerts:
        yield ""


def shown_volumes(app: App) -> Iterator[dict[str, object]]:
    """What each volume stores; one that cannot be read says why."""
    for volume in app.catalogue.volumes():
        told: dict[str, object] = {"pool": volume.pool, "volume": volume.name, "path": volume.path}
        try:
            told["stored_bytes"] = app.repository_to_read(volume.id).stored_bytes()
        except ReconcilerError as error:
            told["problem"] = error.message
            told["hint"] = error.hint
        yield told


def _volume_lines(volumes: list[dict[str, object]]) -> Iterator[str]:
    if volumes:
        yield "volumes"
    for each in volumes:
        stored = each.get("stored_bytes")
        what = f"{shown_bytes(stored)} stored" if isinstance(stored, int) else str(each["problem"])
        yield f"  {each['pool']}/{each['volume']}  {each['path']}  {what}"
        if "hint" in each:
            yield f"      = hint: {each['hint']}"


class Shown:
    """One machine with all that is known of it."""

    def __init__(
        self,
        app: App,
        source: DataSource,
        replica: Replica,
        points: tuple[RecoveryPoint, ...],
    ) -> None:
        self.source = source
        self.replica = replica
        self.points = points
        self.left_out: dict[RecoveryPointId, Told] = {}
        """By recovery point; only looked up for one machine, as manifests are read for it."""
        self.configurations: dict[RecoveryPointId, tuple[str, ...]] = {}
        """As above, and of the newest points only."""
        self.zone = app.zone_of(source.group)

    def read_points(self, app: App) -> None:
        """See what the points left out, and what the newest hold beside the disks."""
        newest = {point.id for point in self.points[-_MOST_READ:]}
        for point in self.points:
            read = _manifest(app, point)
            self.left_out[point.id] = left_out_of(read)
            if point.id in newest:
                self.configurations[point.id] = tuple(configuration_lines(read))

    def lines(self) -> Iterator[str]:
        """The machine and its points for a person."""
        source, state = self.source, self.replica.state.value
        state += f": {self.replica.doubt}" if self.replica.doubt else ""
        yield f"  {source.label}  ({source.group}, replica {state})"
        if not self.points:
            yield "    no recovery points"
        for point in self.points:
            yield (
                f"    {local(point.captured_at, self.zone)}  {point.consistency.value:<11}  "
                f"{shown_bytes(point.bytes_read):>11} read  "
                f"{shown_bytes(point.bytes_stored):>11} stored"
            )
            for line in self.configurations.get(point.id, ()):
                yield f"      {line}"
            if point.damage:
                yield f"      ! damaged: {point.damage}"
            for line in left_out_lines(self.left_out.get(point.id, {})):
                yield f"      {line}"

    def data(self) -> dict[str, object]:
        """The machine and its points for a program."""
        source = self.source
        return {
            "id": source.id,
            "vm": source.machine_name,
            "vm_id": source.key.vm_id,
            "role": source.key.role.value,
            "host": source.host,
            "protection_group": source.group,
            "replica": self.replica.state.value,
            "doubt": self.replica.doubt,
            "checked_at": self.replica.checked_at and self.replica.checked_at.isoformat(),
            "recovery_points": [
                {
                    "id": point.id,
                    "captured_at": point.captured_at.isoformat(),
                    "consistency": point.consistency.value,
                    "cause": point.cause.kind.value,
                    "bytes_read": point.bytes_read,
                    "bytes_stored": point.bytes_stored,
                    "job": point.job,
                    "damage": point.damage,
                    "left_out": left_out_data(self.left_out.get(point.id, {})),
                    "configuration": list(self.configurations.get(point.id, ())),
                }
                for point in self.points
            ],
        }


def recovery_summary(app: App, plan: Plan) -> Iterator[str]:
    """What a recovery is about to do, before it starts."""
    for action in plan.actions:
        if isinstance(action, RecoverDisks):
            zone = app.zone_of(action.subject.group or "")
            points = app.catalogue.recovery_points(action.source)
            point = next(p for p in points if p.id == action.recovery_point)
            yield (
                f"recover {action.subject.label} as of {local(point.captured_at, zone)} "
                f"({point.consistency.value}) to {action.folder}"
            )
            read = _manifest(app, point)
            yield from left_out_lines(left_out_of(read))
            for line in configuration_lines(read):
                yield f"  {line}"
            if point.damage:
                yield f"! this recovery point is damaged: {point.damage}"
                yield "    = hint: name another one with --at, or heal it: reconciler verify --heal"


def _manifest(app: App, point: RecoveryPoint) -> Manifest | ReconcilerError:
    """A point itself, or why it cannot be read now."""
    try:
        return app.repository_to_read(point.volume).manifest(point.source, point.id)
    except ReconcilerError as error:
        return error


def local(at: datetime, zone: ZoneInfo) -> str:
    """A time with its zone: 2026-11-24 18:00:03 CET."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def _lines(shown: list[Shown]) -> Iterator[str]:
    host = None
    for each in shown:
        if each.source.host != host:
            host = each.source.host
            yield host
        yield from each.lines()
