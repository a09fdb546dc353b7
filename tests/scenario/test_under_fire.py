"""Two simulated days under fire: every fault of the lab in turn, writing guests, kill -9.

At the end nothing is lost: each recovery point equals its machine as it was at the checkpoint,
the hosts are clean, and each promise that could not be kept was told.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import pytest

from reconciler.app import open_app
from reconciler.errors import ReconcilerError
from reconciler.lab import nodes, witness
from reconciler.lab.clock import LabClock
from reconciler.lab.control import ControlClient
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import (
    CLUSTER_LAB,
    ERP_01,
    ERP_01_REPLICA,
    OLD_01,
    R2_01,
    SERVER_2012_R2,
    SERVER_2019,
)
from reconciler.model.protection import DataSource, RecoveryPoint
from reconciler.plan.due import missed_slots
from reconciler.policy.protection_group import ProtectionGroup
from tests.lab_world import World, new_world
from tests.running import Running

LAB = LabDefinition(
    hosts=(
        HostDefinition("hv1", (ERP_01, OLD_01)),
        HostDefinition("hv2", (ERP_01_REPLICA,), os_build=SERVER_2019),
        HostDefinition("hv3", (R2_01,), os_build=SERVER_2012_R2),
        *CLUSTER_LAB.hosts,
    ),
    clusters=CLUSTER_LAB.clusters,
)
LABELS = ("erp-01", "old-01", "erp-01-replica", "r2-01", "app-01", "app-02", "app-03")
ON_HOST = {
    "hv1": ("erp-01", "old-01"),
    "hv2": ("erp-01-replica",),
    "hv3": ("r2-01",),
    "hvc": ("app-01", "app-02", "app-03"),
}
GROUP = """
schema: reconciler/v1
kind: ProtectionGroup
name: everything
members: [{name: "*"}]
pool: main
retention: 30d
recovery_points: {times: ["00:00", "04:00", "08:00", "12:00", "16:00", "20:00"]}
consistency: {otherwise: saved_state}
zone: Europe/Berlin
"""
SLOT = timedelta(hours=4)
STEP_S = 90.0


@dataclass
class Fire:
    """The world that burns, and who writes in it."""

    world: World
    running: Running
    lines: list[dict[str, object]] = field(default_factory=list)
    stopping: Event = field(default_factory=Event)
    quiet: set[str] = field(default_factory=set)

    # --- the guests

    def write_for_ever(self) -> None:
        """Guests write small things all the time, whatever happens around them."""
        while not self.stopping.wait(0.3):
            for label in LABELS:
                if label not in self.quiet and label != "erp-01-replica":
                    self.write(label)

    def write(self, label: str) -> None:
        try:
            self.world.door(label).ask("write", vm=label, total_bytes=20_000, seed=None)
        except ReconcilerError:
            return  # its host is down, or the machine is saved: guests of those write nothing

    # --- time

    def next_slot(self) -> datetime:
        """Move the clock a minute past the beginning of the next slot."""
        now = LabClock(self.world.lab)()
        local = now.astimezone(self.group.time_zone).replace(minute=1, second=0, microsecond=0)
        ahead = local + timedelta(hours=4 - local.hour % 4)
        self.world.advance((ahead.astimezone(UTC) - now).total_seconds() / 60)
        return ahead.astimezone(UTC) - timedelta(minutes=1)

    @property
    def group(self) -> ProtectionGroup:
        with open_app(self.world.settings) as app:
            return app.policies().policies.groups[0]

    # --- the loop

    def kill_the_loop(self) -> None:
        self.running.kill()
        self.lines += self.running.lines
        self.running = begun(self.world)

    def settles(self, slot: datetime, *but: str) -> None:
        """Every machine has the point of the slot, but those."""
        wanted = set(LABELS) - set(but)
        assert self.running.until(lambda: wanted <= self.filled(slot), STEP_S), (
            f"{sorted(wanted - self.filled(slot))} have no point since {slot}: {self.tail()}"
        )

    def filled(self, slot: datetime) -> set[str]:
        return {
            label
            for label, points in self.points().items()
            if points and points[-1].captured_at >= slot
        }

    def points(self) -> Mapping[str, tuple[RecoveryPoint, ...]]:
        with open_app(self.world.settings) as app:
            found = app.catalogue.all_recovery_points()
            return {label_of(s): found.get(s.id, ()) for s in app.catalogue.sources()}

    def alerts(self) -> set[str]:
        with open_app(self.world.settings) as app:
            return {alert.kind for alert in app.catalogue.alerts()}

    def tells(self, kind: str) -> None:
        """An alert of this kind is open, or soon will be."""
        assert self.running.until(lambda: kind in self.alerts(), STEP_S), (
            f"no alert {kind} among {sorted(self.alerts())}: {self.tail()}"
        )

    def tail(self) -> str:
        return "\n".join(json.dumps(line) for line in self.running.lines[-25:])

    # --- the lab

    def fault(self, kind: str, *, host: str = "", vm: str = "", count: int = 0) -> None:
        where = ("--host", host) if host else ("--vm", vm)
        more = ("--count", str(count)) if count else ()
        done = self.world.cli("lab", "fault", "set", kind, *where, *more)
        assert done.returncode == 0, done.stderr

    def clear(self, kind: str, *, host: str = "", vm: str = "") -> None:
        where = ("--host", host) if host else ("--vm", vm)
        done = self.world.cli("lab", "fault", "clear", kind, *where)
        assert done.returncode == 0, done.stderr


def begun(world: World) -> Running:
    """A loop that looks often, yet leaves the hosts and their guests some of the processor."""
    return Running(world, "--every", "1.5")


def label_of(source: DataSource) -> str:
    """What the lab calls it."""
    return source.label.replace("/", "-")


@pytest.fixture(scope="module")
def fire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fire]:
    for world in new_world(tmp_path_factory, LAB):
        text = (world.policies / "all.yaml").read_text()
        hosts = text[: text.index("\nschema: reconciler/v1\nkind: ProtectionGroup")]
        pool = text[text.index("\nschema: reconciler/v1\nkind: StoragePool") :]
        cluster = "schema: reconciler/v1\nkind: HyperVCluster\nname: prod\nnodes: [hvc1, hvc2]\n"
        (world.policies / "all.yaml").write_text(f"{hosts}{cluster}---{pool}")
        (world.policies / "group.yaml").write_text(GROUP.lstrip())
        witness.begin(world.lab)
        fire = Fire(world, begun(world))
        writer = Thread(target=fire.write_for_ever, daemon=True)
        writer.start()
        try:
            yield fire
        finally:
            fire.stopping.set()
            writer.join(10)
            fire.running.kill()


def test_two_days_under_fire(fire: Fire) -> None:
    began_at = LabClock(fire.world.lab)()
    assert fire.running.until(
        lambda: all(fire.points().get(label) for label in LABELS), STEP_S * 2
    ), fire.tail()

    for step in (
        hosts_that_do_not_answer,
        hosts_that_answer_badly,
        tracking_that_starts_anew,
        checkpoints_that_fail,
        a_replica_machine_that_is_busy,
        a_machine_that_cannot_be_resumed,
        a_policy_that_breaks,
        a_replica_machine_in_failover,
        a_volume_that_is_full,
        a_node_that_is_lost,
        the_node_comes_back,
        all_is_well,
    ):
        step(fire, fire.next_slot())

    assert fire.running.end() == 0
    fire.lines += fire.running.lines
    assert LabClock(fire.world.lab)() - began_at >= timedelta(hours=40)
    every_point_equals_its_machine(fire)
    hosts_are_clean(fire)
    every_missed_slot_was_told(fire, began_at)
    assert fire.alerts() == set()


def hosts_that_do_not_answer(fire: Fire, slot: datetime) -> None:
    fire.fault("host-down", host="hv3")
    fire.settles(slot, "r2-01")
    fire.tells("host.unreachable")
    fire.next_slot()
    fire.clear("host-down", host="hv3")


def hosts_that_answer_badly(fire: Fire, slot: datetime) -> None:
    fire.fault("wrong-password", host="hv2")
    fire.fault("connection-reset", host="hv1", count=3)
    fire.settles(slot, "erp-01-replica")
    fire.tells("host.refused")
    fire.clear("wrong-password", host="hv2")
    fire.settles(slot)


def tracking_that_starts_anew(fire: Fire, slot: datetime) -> None:
    for vm in ("app-01", "erp-01"):
        fire.fault("tracking-reset", vm=vm)
    fire.kill_the_loop()
    fire.settles(slot)


def checkpoints_that_fail(fire: Fire, slot: datetime) -> None:
    fire.fault("checkpoint-exception", vm="erp-01")
    fire.fault("merge-stuck", vm="app-03")
    fire.settles(slot, "erp-01", "app-03")
    fire.tells("job.failed")
    fire.clear("checkpoint-exception", vm="erp-01")
    fire.clear("merge-stuck", vm="app-03")
    fire.settles(slot)


def a_replica_machine_that_is_busy(fire: Fire, slot: datetime) -> None:
    for kind in ("replica-resyncing", "replica-critical", "replica-applying-hrl"):
        fire.fault(kind, vm="erp-01-replica")
        fire.settles(slot, "erp-01-replica")
        fire.clear(kind, vm="erp-01-replica")
    fire.settles(slot)


def a_machine_that_cannot_be_resumed(fire: Fire, slot: datetime) -> None:
    fire.fault("resume-fails", vm="old-01")
    fire.settles(slot, "old-01")
    assert fire.running.until(lambda: fire.running.count("machine.stays_saved") > 0, STEP_S), (
        fire.tail()
    )
    fire.kill_the_loop()
    fire.clear("resume-fails", vm="old-01")
    fire.settles(slot)


def a_policy_that_breaks(fire: Fire, slot: datetime) -> None:
    path = fire.world.policies / "group.yaml"
    path.write_text(GROUP.lstrip().replace("retention: 30d", "retention: a while"))
    fire.settles(slot)
    fire.tells("policy.broken")
    path.write_text(GROUP.lstrip().replace("retention: 30d", "retention: 31d"))
    assert fire.running.until(lambda: "policy.broken" not in fire.alerts(), STEP_S)


def a_replica_machine_in_failover(fire: Fire, slot: datetime) -> None:
    fire.fault("replica-in-failover", vm="erp-01-replica")
    fire.settles(slot, "erp-01-replica")
    fire.settles(fire.next_slot(), "erp-01-replica")
    fire.tells("recovery_point.missed")
    fire.clear("replica-in-failover", vm="erp-01-replica")


def a_volume_that_is_full(fire: Fire, slot: datetime) -> None:
    fire.fault("volume-full", host="hv1")
    fire.settles(slot, "erp-01", "old-01")
    fire.clear("volume-full", host="hv1")
    fire.settles(slot)


def a_node_that_is_lost(fire: Fire, slot: datetime) -> None:
    fire.settles(slot)
    nodes.lose(fire.world.lab, "hvc1")
    assert fire.running.said("replica.marked_inconsistent", vm="app-01"), fire.tail()
    assert fire.running.said("replica.checked", vm="app-01"), fire.tail()
    assert fire.running.said("replica.checked", vm="app-02"), fire.tail()
    assert fire.running.count("replica.marked_inconsistent", vm="app-03") == 0


def the_node_comes_back(fire: Fire, slot: datetime) -> None:
    fire.fault("no-answer", host="hv3")
    fire.settles(slot, "r2-01")
    nodes.start(fire.world.lab, "hvc1")
    ControlClient(fire.world.lab, "hvc2").ask("migrate", vm="app-01", to="hvc1", seconds=0.5)
    fire.clear("no-answer", host="hv3")
    fire.settles(slot)


def all_is_well(fire: Fire, slot: datetime) -> None:
    fire.settles(slot)
    assert fire.running.until(lambda: not fire.alerts(), STEP_S), fire.alerts()


# --- at the end


def every_point_equals_its_machine(fire: Fire) -> None:
    world, kept = fire.world, fire.world.lab / witness.FOLDER
    checked = Counter[str]()
    with open_app(world.settings) as app:
        sources = {label_of(s): s for s in app.catalogue.sources()}
    for label, points in fire.points().items():
        for point in points:
            shadow: Path = kept / point.job
            assert shadow.is_dir(), f"no checkpoint was taken for {label} at {point.captured_at}"
            assert world.differing_of(sources[label], label, point, shadow) == []
            checked[label] += 1
    assert set(checked) == set(LABELS)
    assert min(checked.values()) >= 8, checked


def hosts_are_clean(fire: Fire) -> None:
    with open_app(fire.world.settings) as app:
        current = {r.id for r in app.catalogue.reference_points() if r.is_current}
    seen = set()
    for host in fire.world.addresses:
        report = fire.world.report(host)
        assert report.checkpoints == ()
        seen |= {r.id for r in report.reference_points}
        off = {m.name for m in report.machines if m.state != "Running"}
        assert off == ({"erp-01"} if host == "hv2" else set())
    assert seen == current


def every_missed_slot_was_told(fire: Fire, began_at: datetime) -> None:
    """What the log counts is what is missing in the catalogue, machine by machine."""
    group = fire.group
    told = Counter[str]()
    for line in fire.lines:
        if line["event"] == "recovery_point.missed":
            label = str(line["vm"]).replace("/", "-")
            told[label] += int(str(line["slots"]))
    for label, points in fire.points().items():
        missing = 0
        for before, after in pairwise(points):
            slot = after.cause.slot_at
            if slot is not None:
                missing += missed_slots(group, before.captured_at, slot, is_tracked=False)
        assert told[label] == missing, label
    assert told["r2-01"] >= 1
    assert told["erp-01-replica"] >= 1
