"""What went wrong once must not go wrong for ever."""

import pytest

from reconciler.app import open_app
from reconciler.cli.exit_codes import ExitCode
from reconciler.errors import CheckpointFailedError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Verdict
from reconciler.model.names import CheckpointId, HostName, PlanId, RequestId, VmId
from reconciler.plan.actions import ExpressFullBackup
from reconciler.ports import HostSession
from reconciler.record.entries import new_id
from reconciler.record.work import JobOrder
from tests.lab_world import World
from tests.scenario.test_killed import killed_at


class Stubborn:
    """A session whose conversions end without success; all else is the real host's."""

    def __init__(self, session: HostSession) -> None:
        self._session = session

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def convert_to_reference_point(
        self, vm_id: VmId, checkpoint: CheckpointId, request_id: RequestId
    ) -> object:
        raise CheckpointFailedError("ended as Terminated", hint="try again", vm_id=vm_id)


@pytest.fixture(scope="module")
def world(small_world: World) -> World:
    healing = small_world.another("healing")
    _, results = healing.apply()
    assert [r.verdict for r in results] == [Verdict.DONE]
    return healing


def test_a_conversion_that_fails_costs_tracking_and_not_the_point(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.report("hv2").reference_points
    world.write("web-01")
    world.advance(60)
    shadow = world.shadow("stubborn")
    with open_app(world.settings) as app:
        plain = app.open_host

        def stubborn(name: HostName) -> Stubborn:
            return Stubborn(plain(name))

        monkeypatch.setattr(app, "open_host", stubborn)
        reconciler = app.reconciler()
        results = list(reconciler.carry_out(reconciler.plan()))

    assert [r.verdict for r in results] == [Verdict.DONE]
    assert world.differing("web-01", world.points("web-01")[-1], shadow) == []
    report = world.report("hv2")
    assert report.checkpoints == ()
    assert report.reference_points == before  # the older one is safe, and is used next
    assert world.plan().actions == ()
    world.write("web-01")
    world.advance(60)
    shadow = world.shadow("after-stubborn")
    world.apply()
    assert world.differing("web-01", world.points("web-01")[-1], shadow) == []


def test_a_heal_of_an_old_slot_does_not_fill_the_new_one(world: World) -> None:
    before = len(world.points("web-01"))
    world.write("web-01")
    world.advance(60)
    killed_at(world, Boundary.MANIFEST_SEALED)
    world.advance(60)

    _, results = world.apply()

    assert [r.verdict for r in results] == [Verdict.DONE, Verdict.DONE]
    assert len(world.points("web-01")) == before + 2
    assert world.plan().actions == ()


def test_a_job_row_that_nobody_began_does_not_end_protection_in_silence(world: World) -> None:
    with open_app(world.settings) as app:
        (source,) = app.catalogue.sources()
        long_ago = app.clock()().replace(year=2020)
        order = JobOrder("express_full_backup", source.id, HostName("hv2"), PlanId(new_id()))
        app.catalogue.jobs.create(order, long_ago)
    world.advance(60)

    plan, results = world.apply()

    assert any(isinstance(action, ExpressFullBackup) for action in plan.actions)
    assert {r.verdict for r in results} == {Verdict.DONE}
    assert world.plan().actions == ()


def test_a_clock_that_was_ahead_for_one_backup_makes_one_more_and_not_one_a_pass(
    world: World,
) -> None:
    world.advance(600)
    world.apply()
    world.advance(-600)

    _, first = world.apply()
    _, second = world.apply()

    assert [r.verdict for r in first] == [Verdict.DONE]
    assert second == []


def test_a_volume_that_moved_is_found_where_the_policy_says(world: World) -> None:
    old = world.folder / world.state / "volume"
    new = world.folder / world.state / "moved"
    old.rename(new)
    policy = world.policies / "all.yaml"
    text = policy.read_text()
    policy.write_text(text.replace(str(old), str(new)))
    world.advance(60)
    try:
        _, results = world.apply()
        assert [r.verdict for r in results] == [Verdict.DONE]
        done = world.cli("recover", "disks", "web-01", "--to", "from-moved")
        assert done.returncode == 0, done.stderr
        assert not old.exists()
    finally:
        new.rename(old)
        policy.write_text(text)
        world.apply()


def test_one_odd_machine_is_blocked_by_name_and_hides_no_other(two_hosts: World) -> None:
    world = two_hosts.another("odd")
    door = world.door("web-01")
    door.ask("set", vm="web-01", name="HardDrives.0.VhdFormat", value="QCOW2")
    try:
        plan = world.plan()
    finally:
        door.ask("set", vm="web-01", name="HardDrives.0.VhdFormat", value="VHDX")

    assert [a.subject.name for a in plan.actions] == ["fin-sql01"]
    assert [(f.code, f.about) for f in plan.findings] == [("blocked.machine", "web-01")]


INTERRUPTED_WITH_A_CHECKPOINT = """
import signal
from threading import Event, main_thread
from reconciler.execute.boundaries import Boundary
from reconciler.execute.meter import Meter
from reconciler.execute.workbench import Workbench

# A process that was begun in the background of a shell ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
stopped = Event()
stop, reached = Meter.stop, Workbench.reached

def stop_and_tell(meter, reason):
    stop(meter, reason)
    stopped.set()

def interrupt(bench, boundary):
    reached(bench, boundary)
    if boundary is Boundary.CHECKPOINT_TAKEN:
        signal.pthread_kill(main_thread().ident, signal.SIGINT)
        assert stopped.wait(60)  # not before the main thread has heard of it

Meter.stop, Workbench.reached = stop_and_tell, interrupt
"""


def test_ctrl_c_stops_what_is_at_work_and_leaves_nothing_on_the_host(small_world: World) -> None:
    world = small_world.another("interrupted")
    before = world.report("hv2")
    process = world.cli_started("apply", before=INTERRUPTED_WITH_A_CHECKPOINT)
    assert process.stderr is not None
    rest = process.stderr.read()
    code = process.wait(60)
    process.stderr.close()

    assert code == ExitCode.INTERRUPTED, rest
    assert "Traceback" not in rest
    after = world.report("hv2")
    assert (after.checkpoints, after.reference_points) == (
        before.checkpoints,
        before.reference_points,
    )
    assert [r.verdict for r in world.apply()[1]] == [Verdict.DONE]
