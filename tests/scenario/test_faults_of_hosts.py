"""Hosts in trouble, and networks in the way: the client says what it sees, and all heals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from reconciler.adapters.hyperv.timeouts import HostTimeouts
from reconciler.app import open_app
from reconciler.errors import (
    CheckpointFailedError,
    HostError,
    HostRefusedError,
    HostUnreachableError,
    MachineBusyError,
    StateChangeFailedError,
    TrackingLostError,
)
from reconciler.execute.outcome import Verdict
from reconciler.lab import processes
from reconciler.lab.definition import WEB_01
from reconciler.model.machine import Checkpoint, HostReport
from reconciler.model.names import HostName, RequestId, VmId
from reconciler.model.protection import Consistency
from reconciler.ports import HostSession
from reconciler.record.entries import new_id
from tests.lab_world import World
from tests.tcp_proxy import TcpProxy

HOST = HostName("hv2")
VM = VmId(WEB_01.vm_id)
HASTY = HostTimeouts(connect_s=2, read_s=2)


@dataclass
class Way:
    """A way to the host: as it is, or through a proxy."""

    world: World
    policies: Path

    @contextmanager
    def session(self) -> Iterator[HostSession]:
        settings = replace(self.world.settings, policies=self.policies)
        with open_app(settings, timeouts=HASTY) as app:
            opened = app.open_host(HOST)
            try:
                yield opened
            finally:
                opened.close()

    def report(self) -> HostReport:
        with self.session() as opened:
            return opened.report()

    def codes_of_a_plan(self) -> list[str]:
        settings = replace(self.world.settings, policies=self.policies)
        with open_app(settings, timeouts=HASTY) as app:
            return [f.code for f in app.reconciler().plan().findings if f.about == HOST]


@pytest.fixture(scope="module")
def proxy(small_world: World, proxy_to: Callable[[tuple[str, int]], TcpProxy]) -> TcpProxy:
    return proxy_to(small_world.addresses["hv2"])


@pytest.fixture(scope="module")
def through(small_world: World, proxy: TcpProxy) -> Way:
    folder = small_world.folder / "through-a-proxy"
    folder.mkdir()
    policies = (small_world.policies / "all.yaml").read_text()
    _, port = small_world.addresses["hv2"]
    (folder / "all.yaml").write_text(policies.replace(f"port: {port}", f"port: {proxy.port}"))
    return Way(small_world, folder)


@pytest.fixture
def direct(small_world: World) -> Iterator[Way]:
    yield Way(small_world, small_world.policies)
    set_right(small_world)


def set_right(world: World) -> None:
    world.door("web-01").ask("fault_clear")


def go_wrong(world: World, kind: str, vm: str | None = None, count: int | None = None) -> None:
    world.door("web-01").ask("fault_set", kind=kind, vm=vm, count=count)


def assert_well(way: Way) -> None:
    assert [machine.name for machine in way.report().machines] == ["web-01"]


def take_checkpoint(session: HostSession) -> Checkpoint:
    return session.take_checkpoint(VM, Consistency.CRASH, "ours", request())


def request() -> RequestId:
    return RequestId(new_id())


NETWORK = [
    ("host-down", HostUnreachableError, "refuses the connection"),
    ("connection-reset", HostUnreachableError, "cut"),
    ("no-answer", HostUnreachableError, "did not answer"),
    ("wrong-password", HostRefusedError, "wrong password"),
]


@pytest.mark.parametrize(("kind", "error", "words"), NETWORK)
def test_a_host_in_trouble_is_told_apart(
    direct: Way, kind: str, error: type[HostError], words: str
) -> None:
    go_wrong(direct.world, kind)

    with pytest.raises(error, match=words) as caught:
        direct.report()
    assert "hv2" in caught.value.message
    assert caught.value.hint
    assert direct.codes_of_a_plan() == [error.code]

    set_right(direct.world)
    assert_well(direct)
    assert direct.codes_of_a_plan() == []


@pytest.mark.parametrize(("kind", "error", "words"), NETWORK[:3])
def test_a_session_that_was_open_finds_its_host_in_trouble(
    direct: Way, kind: str, error: type[HostError], words: str
) -> None:
    with direct.session() as opened:
        opened.facts()
        go_wrong(direct.world, kind)

        with pytest.raises(error, match=words):
            opened.facts()

        set_right(direct.world)
        assert opened.facts().name == HOST


@pytest.mark.parametrize("kind", ["connection-reset"])
def test_an_open_session_heals_from_one_reset(direct: Way, kind: str) -> None:
    with direct.session() as opened:
        opened.facts()
        go_wrong(direct.world, kind, count=1)

        assert opened.facts().name == HOST
        assert direct.world.door("web-01").ask("faults") == []


def test_a_host_that_is_down_stays_so_when_its_process_is_started_again(direct: Way) -> None:
    go_wrong(direct.world, "host-down")
    processes.stop(direct.world.lab, HOST)
    direct.world.up()

    with pytest.raises(HostUnreachableError):
        direct.report()

    set_right(direct.world)
    assert_well(direct)


@pytest.mark.parametrize("kind", ["checkpoint-exception", "volume-full"])
def test_a_checkpoint_that_fails_is_told_and_the_next_one_is_taken(direct: Way, kind: str) -> None:
    go_wrong(direct.world, kind, "web-01" if kind == "checkpoint-exception" else None)
    with direct.session() as opened:
        with pytest.raises(CheckpointFailedError, match="Exception") as caught:
            take_checkpoint(opened)
        assert not opened.checkpoints()
        assert caught.value.code == "host.checkpoint_failed"

        set_right(direct.world)
        made = take_checkpoint(opened)
        opened.remove_checkpoint(VM, made.id, request())


def test_a_machine_whose_merge_sticks_is_busy(direct: Way) -> None:
    direct.world.door("web-01").ask("settle")  # what tests before left to merge
    with direct.session() as opened:
        go_wrong(direct.world, "merge-stuck", "web-01")
        made = take_checkpoint(opened)
        opened.remove_checkpoint(VM, made.id, request())
        with pytest.raises(MachineBusyError, match="merging"):
            take_checkpoint(opened)
        (machine,) = opened.machines()
        assert "MergingDisks" in machine.operational_status

        set_right(direct.world)
        direct.world.door("web-01").ask("settle")
        made = take_checkpoint(opened)
        opened.remove_checkpoint(VM, made.id, request())


def test_a_machine_that_cannot_be_resumed_is_told(direct: Way) -> None:
    with direct.session() as opened:
        opened.save_machine(VM, request())
        go_wrong(direct.world, "resume-fails", "web-01")
        with pytest.raises(StateChangeFailedError):
            opened.resume_machine(VM, request())
        assert direct.world.door("web-01").ask("states") == {"web-01": "Saved"}

        set_right(direct.world)
        opened.resume_machine(VM, request())
        assert direct.world.door("web-01").ask("states") == {"web-01": "Running"}


def test_lost_tracking_is_told_and_costs_a_comparison_and_no_point(direct: Way) -> None:
    world = direct.world
    assert [r.verdict for r in world.apply()[1]] == [Verdict.DONE]
    world.write("web-01")
    world.advance(60)
    shadow = world.shadow("tracking-lost")
    with direct.session() as opened:
        (point,) = opened.reference_points()
        go_wrong(world, "tracking-reset", "web-01")
        made = take_checkpoint(opened)
        (disk,) = made.disks
        with pytest.raises(TrackingLostError):
            opened.changed_ranges(disk.path, point.disks[0].rct_id, disk.geometry.virtual_bytes)
        opened.remove_checkpoint(VM, made.id, request())

    assert [r.verdict for r in world.apply()[1]] == [Verdict.DONE]
    assert world.differing("web-01", world.points("web-01")[-1], shadow) == []


def delayed(proxy: TcpProxy) -> None:
    proxy.delay(3)


def cut(proxy: TcpProxy) -> None:
    proxy.cut_after(0)


def cut_in_an_answer(proxy: TcpProxy) -> None:
    proxy.cut_after(5_000)


def lost(proxy: TcpProxy) -> None:
    proxy.lose()


@pytest.mark.parametrize("mischief", [delayed, cut, cut_in_an_answer, lost])
def test_a_bad_network_makes_a_host_unreachable_until_it_is_well(
    proxy: TcpProxy, through: Way, mischief: Callable[[TcpProxy], None]
) -> None:
    assert_well(through)
    mischief(proxy)
    try:
        with pytest.raises(HostUnreachableError):
            through.report()
    finally:
        proxy.restore()

    assert_well(through)


def test_a_slow_network_is_only_slow(proxy: TcpProxy, through: Way) -> None:
    proxy.delay(0.02)
    try:
        assert_well(through)
    finally:
        proxy.restore()


def test_a_session_goes_on_after_its_connection_was_cut(proxy: TcpProxy, through: Way) -> None:
    with through.session() as opened:
        opened.facts()
        proxy.cut_after(0)
        with pytest.raises(HostUnreachableError):
            opened.facts()
        proxy.restore()

        assert opened.facts().name == HOST


def test_a_checkpoint_whose_answer_was_lost_is_not_taken_twice(
    proxy: TcpProxy, through: Way
) -> None:
    asked = request()
    with through.session() as opened:
        opened.facts()
        proxy.cut_after(500)
        with pytest.raises(HostUnreachableError):
            opened.take_checkpoint(VM, Consistency.CRASH, "ours", asked)
        proxy.restore()

        made = opened.take_checkpoint(VM, Consistency.CRASH, "ours", asked)
        assert [point.id for point in opened.checkpoints()] == [made.id]
        opened.remove_checkpoint(VM, made.id, request())


def test_an_operator_sets_shows_and_clears_faults(small_world: World) -> None:
    fault = ("lab", "fault")
    assert (
        small_world.cli(*fault, "set", "no-answer", "--host", "hv2", "--count", "3").returncode == 0
    )
    assert small_world.cli(*fault, "set", "resume-fails", "--vm", "web-01").returncode == 0
    odd = small_world.cli(*fault, "set", "host-down", "--host", "hv9")
    shown = small_world.cli(*fault, "list").stdout

    assert (odd.returncode, "hv9" in odd.stderr) == (1, True)
    assert [line.split() for line in shown.splitlines()] == [
        ["hv2", "-", "no-answer", "3", "times"],
        ["hv2", "web-01", "resume-fails"],
    ]
    assert small_world.cli(*fault, "clear").stdout == "cleared: 2\n"


def test_a_host_that_was_lost_is_a_fault_that_clearing_starts_again(direct: Way) -> None:
    fault = ("lab", "fault")
    assert direct.world.cli(*fault, "set", "node-lost", "--host", "hv2").returncode == 0
    with pytest.raises(HostUnreachableError):
        direct.report()
    assert "hv2  -  node-lost" in direct.world.cli(*fault, "list").stdout

    assert direct.world.cli(*fault, "clear", "node-lost", "--host", "hv2").stdout == "cleared: 1\n"
    assert_well(direct)
