"""A replica machine is captured only while its disks are certain, and looked at to the end."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.app import open_app
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Verdict
from reconciler.lab.control import ControlClient
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import ERP_01_REPLICA
from reconciler.model.protection import Consistency
from tests.lab_world import World, new_world

VM = ERP_01_REPLICA.name


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host with a replica machine."""
    machine = replace(ERP_01_REPLICA, label="")
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition("hv2", (machine,)),)))


def test_a_replica_machine_is_captured_as_a_crash(world: World) -> None:
    _, (result,) = world.apply()

    assert result.verdict is Verdict.DONE
    assert world.points(VM)[-1].consistency is Consistency.CRASH


@pytest.mark.parametrize(
    ("kind", "when", "retry"),
    [
        ("replica-resyncing", Boundary.PACKS_SYNCED, "later"),
        ("replica-critical", Boundary.CHECKPOINT_TAKEN, "operator"),
        ("replica-applying-hrl", Boundary.PACKS_SYNCED, "soon"),
        ("replica-in-failover", Boundary.PACKS_SYNCED, "later"),
        ("replica-initial", None, "later"),
    ],
)
def test_what_becomes_uncertain_before_the_seal_is_no_recovery_point(
    world: World, kind: str, when: Boundary | None, retry: str
) -> None:
    world.advance(60)
    before = world.points(VM)
    door = ControlClient(world.lab, "hv2")
    passed: list[Boundary] = []

    def reached(boundary: Boundary | None) -> None:
        if boundary is when:
            door.ask("fault_set", kind=kind, vm=VM)
        if boundary is not None:
            passed.append(boundary)

    with open_app(world.settings, reached) as app:
        reconciler = app.reconciler()
        plan = reconciler.plan()
        reached(None)
        try:
            (result,) = reconciler.carry_out(plan)
        finally:
            door.ask("fault_clear", kind=kind, vm=VM)
        (failed,) = app.catalogue.jobs.failures().values()
        (source,) = app.catalogue.sources()
        sealed = app.repository(before[0].volume).manifests(source.id)

    assert result.error_code == failed.code == "prerequisite.crash_consistency_uncertain"
    assert failed.retry == retry
    assert Boundary.MANIFEST_SEALED not in passed
    assert (Boundary.INTENT_WRITTEN in passed) is (when is not None)
    assert world.points(VM) == before
    assert len(sealed) == len(before)
    assert world.report("hv2").checkpoints == ()
    _, (done,) = world.apply()
    assert done.verdict is Verdict.DONE
