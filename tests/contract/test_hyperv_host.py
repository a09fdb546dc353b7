"""What every Hyper-V host must do for us, over the real wire: the lab's, and a live one.

The lab's answers twice: with an engine in Python, and with a PowerShell that runs the module.
The live host is named in the environment: tests/live/GUIDE.md.
"""

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from reconciler.app import open_app
from reconciler.blocks.vhdx import open_chain
from reconciler.errors import (
    DiskUnreadableError,
    HostRefusedError,
    ItemNotFoundError,
    ReconcilerError,
    TrackingLostError,
)
from reconciler.model.machine import Checkpoint, VirtualMachine
from reconciler.model.names import CheckpointId, HostName, ReferencePointId, RequestId, VmId
from reconciler.model.protection import Consistency
from reconciler.model.ranges import ByteRange
from reconciler.ports import HostSession
from reconciler.settings import Settings
from tests.lab_world import World

LIVE_POLICIES = "RECONCILER_LIVE_POLICIES"
STRANGER = VmId("00000000-0000-4000-8000-000000000000")


@pytest.fixture(
    scope="module",
    params=["lab", "powershell", pytest.param("live", marks=pytest.mark.live)],
)
def place(request: pytest.FixtureRequest) -> str:
    """Which host is under test."""
    return str(request.param)


@pytest.fixture(scope="module")
def host(
    place: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostSession]:
    """A session with the host under test."""
    if place == "lab":
        world: World = request.getfixturevalue("small_world")
        settings, name = world.settings, "hv2"
    elif place == "powershell":
        world = request.getfixturevalue("powershell_world")
        settings, name = world.settings, "hv2"
    elif LIVE_POLICIES in os.environ:
        state = tmp_path_factory.mktemp("live")
        settings = Settings(policies=Path(os.environ[LIVE_POLICIES]), state=state)
        name = os.environ["RECONCILER_LIVE_HOST"]
    else:
        pytest.skip("no live host: set RECONCILER_LIVE_POLICIES")
    with open_app(settings) as app:
        session = app.open_host(HostName(name))
        yield session
        session.close()


@pytest.fixture(scope="module")
def machine(host: HostSession, place: str) -> VirtualMachine:
    """The machine that may be used."""
    wanted = os.environ["RECONCILER_LIVE_MACHINE"] if place == "live" else "web-01"
    return next(m for m in host.machines() if m.name == wanted)


@pytest.fixture
def take(host: HostSession, machine: VirtualMachine) -> Iterator[Callable[[], Checkpoint]]:
    """Takes checkpoints; what is left of them is removed."""
    taken: list[Checkpoint] = []

    def one() -> Checkpoint:
        name = f"reconciler contract-suite {uuid4()}"
        taken.append(host.take_checkpoint(machine.id, Consistency.CRASH, name, request_id()))
        return taken[-1]

    yield one
    for checkpoint in taken:
        host.remove_checkpoint(machine.id, checkpoint.id, request_id())


@pytest.fixture
def reference_points(
    host: HostSession, machine: VirtualMachine
) -> Iterator[list[ReferencePointId]]:
    """Reference points that the test made, removed at its end."""
    made: list[ReferencePointId] = []
    yield made
    for each in made:
        host.remove_reference_point(machine.id, each, request_id())


def request_id() -> RequestId:
    return RequestId(str(uuid4()))


def test_the_host_tells_its_build_and_speaks_our_contract(host: HostSession) -> None:
    facts = host.facts()

    assert facts.os_build >= 9600
    assert facts.booted_at.tzinfo is not None


def test_each_machine_has_disks_whose_files_can_be_read(
    host: HostSession, take: Callable[[], Checkpoint]
) -> None:
    checkpoint = take()

    for disk in checkpoint.disks:
        chain = open_chain(host, disk.path)
        assert chain.virtual_bytes == disk.geometry.virtual_bytes
        assert chain.logical_sector_bytes == disk.geometry.logical_sector_bytes


def test_the_disks_of_a_checkpoint_are_those_of_the_machine(
    machine: VirtualMachine, take: Callable[[], Checkpoint]
) -> None:
    checkpoint = take()

    assert {d.slot for d in checkpoint.disks} == {d.slot for d in machine.disks}
    assert {d.virtual_disk_id for d in checkpoint.disks} == {
        d.virtual_disk_id for d in machine.disks
    }


def test_a_checkpoint_is_listed_until_it_is_removed(
    host: HostSession, machine: VirtualMachine, take: Callable[[], Checkpoint]
) -> None:
    checkpoint = take()
    listed = {c.id: c.name for c in host.checkpoints((machine.id,))}
    host.remove_checkpoint(machine.id, checkpoint.id, request_id())

    assert listed[checkpoint.id] == checkpoint.name
    assert checkpoint.id not in {c.id for c in host.checkpoints((machine.id,))}


def test_taking_a_checkpoint_again_with_the_same_request_id_makes_no_second_one(
    host: HostSession, machine: VirtualMachine
) -> None:
    same = request_id()
    name = f"reconciler contract-suite {uuid4()}"
    first = host.take_checkpoint(machine.id, Consistency.CRASH, name, same)
    second = host.take_checkpoint(machine.id, Consistency.CRASH, name, same)
    named = [c.id for c in host.checkpoints((machine.id,)) if c.name == name]
    host.remove_checkpoint(machine.id, first.id, request_id())

    assert first.id == second.id
    assert named == [first.id]


def test_removing_what_is_gone_is_no_error(host: HostSession, machine: VirtualMachine) -> None:
    host.remove_checkpoint(machine.id, CheckpointId(str(uuid4())), request_id())
    host.remove_reference_point(machine.id, ReferencePointId("Microsoft:nothing"), request_id())


def test_an_unknown_machine_is_not_found(host: HostSession) -> None:
    with pytest.raises(ItemNotFoundError) as caught:
        host.take_checkpoint(STRANGER, Consistency.CRASH, "reconciler x y", request_id())

    assert caught.value.hint


def test_converting_a_checkpoint_makes_a_reference_point_and_takes_the_checkpoint_away(
    host: HostSession,
    machine: VirtualMachine,
    take: Callable[[], Checkpoint],
    reference_points: list[ReferencePointId],
) -> None:
    checkpoint = take()
    asked = request_id()
    made = host.convert_to_reference_point(machine.id, checkpoint.id, asked)
    reference_points.append(made.id)

    assert checkpoint.id not in {c.id for c in host.checkpoints((machine.id,))}
    assert {d.slot for d in made.disks} == {d.slot for d in checkpoint.disks}
    assert all(d.rct_id for d in made.disks)
    assert host.converted(machine.id, asked) == made
    assert host.converted(machine.id, request_id()) is None


def test_changes_since_a_reference_point_lie_inside_the_disk(
    host: HostSession,
    machine: VirtualMachine,
    take: Callable[[], Checkpoint],
    reference_points: list[ReferencePointId],
) -> None:
    made = host.convert_to_reference_point(machine.id, take().id, request_id())
    reference_points.append(made.id)
    checkpoint = take()
    since = {disk.slot: disk.rct_id for disk in made.disks}

    for disk in checkpoint.disks:
        size = disk.geometry.virtual_bytes
        found = host.changed_ranges(disk.path, since[disk.slot], size)
        assert all(0 <= r.start < r.end <= size for r in found)


def test_an_unknown_tracking_id_asks_for_a_comparison(
    host: HostSession, take: Callable[[], Checkpoint]
) -> None:
    disk = take().disks[0]

    with pytest.raises(TrackingLostError) as caught:
        host.changed_ranges(disk.path, "from-another-life", disk.geometry.virtual_bytes)

    assert caught.value.hint


def test_the_host_hashes_what_it_would_send(
    host: HostSession, take: Callable[[], Checkpoint]
) -> None:
    file = host.open(take().disks[0].path)
    ranges = [ByteRange(0, 65_536), ByteRange(1 << 20, (1 << 20) + 4096), ByteRange(7, 8)]

    sent = file.read(ranges)

    assert [len(data) for data in sent] == [r.length for r in ranges]
    assert list(file.hashes(ranges)) == [sha256(data).digest() for data in sent]
    assert sent[0].startswith(b"vhdxfile")


def test_many_small_and_one_large_range_come_back_in_order(
    host: HostSession, take: Callable[[], Checkpoint]
) -> None:
    base = open_chain(host, take().disks[0].path).paths[-1]
    file = host.open(base)
    whole = file.read([ByteRange(0, 5 << 20)])[0]
    small = [ByteRange(start, start + 512) for start in range(4 << 20, 0, -1024)]

    assert list(file.read(small)) == [whole[r.start : r.end] for r in small]


def test_nothing_but_disk_files_of_machines_can_be_read(
    host: HostSession, take: Callable[[], Checkpoint]
) -> None:
    path = take().disks[0].path
    folder = path.rpartition("\\")[0]

    for wrong in (
        "C:\\Windows\\win.ini",
        f"{folder}\\..\\..\\..\\password",
        "/etc/passwd",
        "\\\\x\\y",
    ):
        with pytest.raises((HostRefusedError, DiskUnreadableError)):
            host.open(wrong).read([ByteRange(0, 16)])


def test_a_read_past_the_end_is_an_error_and_the_session_lives_on(
    host: HostSession, take: Callable[[], Checkpoint]
) -> None:
    file = host.open(take().disks[0].path)

    with pytest.raises(ReconcilerError):
        file.read([ByteRange(1 << 50, (1 << 50) + 512)])
    assert host.facts().os_build
