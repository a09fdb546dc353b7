"""Whatever order things happen in, disks equal their shadows and checkpoints stay as they were."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction
from reconciler.lab.book import local_path
from reconciler.lab.definition import FIN_SQL01
from reconciler.lab.dice import Dice
from reconciler.lab.disks import LabDisk
from reconciler.lab.host import LabHost
from reconciler.lab.images.manifest import disk_image
from reconciler.lab.pace import Delays
from reconciler.lab.shadow import hash_shadow
from reconciler.lab.state import HostState, new_id
from reconciler.model.ranges import ByteRange, merged

VM = FIN_SQL01.vm_id
MIB = 1 << 20


def stack_of(folder: Path, path: str) -> list[Path]:
    """The files of a disk up to one of them, base first, by the host's own state."""
    state = HostState.parse((folder / "state.json").read_bytes())
    for machine in state.machines.values():
        for disk in machine.disks:
            if path in disk.chain:
                kept = disk.chain[: disk.chain.index(path) + 1]
                return [local_path(folder, name) for name in kept]
    raise AssertionError(path)


def hash_disk(folder: Path, path: str, places: tuple[ByteRange, ...]) -> str:
    digest = hashlib.sha256()
    disk = LabDisk.open(stack_of(folder, path))
    for place in places:
        digest.update(disk.read(place.start, place.length))
    disk.close()
    return digest.hexdigest()


def data_places(number: int) -> tuple[ByteRange, ...]:
    """What is worth comparing: where guests write, and a part where they do not."""
    files = disk_image(FIN_SQL01.disks[number].image).files()
    written = (place for f in files for place in f.places(ByteRange(0, max(f.size, 1))))
    sectors = (ByteRange(p.start, -(-p.end // 512) * 512) for p in written)
    return (ByteRange(0, MIB), *merged(sectors), ByteRange((4 << 30) - MIB, 4 << 30))


def assert_equal(folder: Path, paths: list[str], shadows: Path) -> None:
    for number, path in enumerate(paths):
        raw = shadows / f"fin-sql01-disk{number}.raw"
        places = data_places(number)
        assert hash_disk(folder, path, places) == hash_shadow(raw, places), path


@dataclass
class Story:
    """Random things that happen to a machine."""

    host: LabHost
    lab: Path
    dice: Dice
    held: dict[str, Path] = field(default_factory=dict)

    def call(self, function: AgentFunction, **arguments: object) -> list[Any]:
        return list(self.host.invoke(function, arguments))

    def go_on(self) -> None:
        deeds = [self.write, self.write, self.take, self.take_foreign, self.convert, self.remove]
        self.dice.pick(deeds)()
        if self.dice.one_in(3):
            self.host.settle()

    def write(self) -> None:
        self.host.guest_write("fin-sql01", 256 << 10, f"{self.dice.below(1 << 40)}")

    def take(self) -> None:
        arguments = {"ConsistencyLevel": "Crash", "ElementName": "ours"}
        self.start(contract.START_CHECKPOINT, **arguments)
        self.remember()

    def take_foreign(self) -> None:
        self.host.foreign_checkpoint("fin-sql01")
        self.remember()

    def convert(self) -> None:
        self.let_go(contract.START_CONVERSION)

    def remove(self) -> None:
        self.let_go(contract.START_CHECKPOINT_REMOVAL)

    def let_go(self, function: AgentFunction) -> None:
        if self.held:
            gone = self.dice.pick(sorted(self.held))
            del self.held[gone]
            self.start(function, CheckpointId=gone)

    def start(self, function: AgentFunction, **arguments: object) -> None:
        self.call(function, RequestId=new_id(), VMId=VM, **arguments)
        self.host.settle()

    def remember(self) -> None:
        points = [p["CheckpointId"] for p in self.call(contract.GET_CHECKPOINT)]
        (new,) = set(points) - set(self.held)
        self.held[new] = self.lab / "copies" / new
        self.host.copy_shadows(self.held[new])

    def judge(self) -> None:
        folder = self.lab / "hv1"
        (machine,) = self.call(contract.GET_MACHINE)
        assert_equal(folder, [d["Path"] for d in machine["HardDrives"]], folder / "shadow")
        for point in self.call(contract.GET_CHECKPOINT):
            paths = [drive["Path"] for drive in point["HardDrives"]]
            assert_equal(folder, paths, self.held[point["CheckpointId"]])


@pytest.mark.parametrize("seed", range(2))
def test_disks_equal_their_shadows_whatever_happens(lab: Path, seed: int) -> None:
    with LabHost(lab, "hv1") as host:
        story = Story(host, lab, Dice("story", seed))
        for _ in range(20):
            story.go_on()
        story.judge()


def test_a_stack_sinks_to_one_file_once_no_checkpoint_holds_it(lab: Path) -> None:
    with LabHost(lab, "hv1") as host:
        story = Story(host, lab, Dice("nested"))
        for _ in range(3):
            story.take()
            story.write()
        for _ in range(3):
            story.let_go(contract.START_CHECKPOINT_REMOVAL)
            story.judge()

        (machine,) = story.call(contract.GET_MACHINE)
        paths = [drive["Path"] for drive in machine["HardDrives"]]
        assert paths == [disk.path for disk in FIN_SQL01.disks]
        assert list((lab / "hv1" / "files").rglob("*.avhdx")) == []


def test_a_checkpoint_that_is_taken_before_a_merge_ended_names_a_differencing_disk(
    lab: Path,
) -> None:
    with LabHost(lab, "hv1", Delays(operation_s=0, merge_s=3_600)) as host:
        host.start()
        first = host.foreign_checkpoint("fin-sql01")
        host.guest_write("fin-sql01", MIB)
        story = Story(host, lab, Dice("early"))
        request = new_id()
        removal = {"RequestId": request, "VMId": VM, "CheckpointId": first}
        story.call(contract.START_CHECKPOINT_REMOVAL, **removal)
        story.call(contract.GET_OPERATION, RequestId=request, WaitSeconds=10)
        second = host.foreign_checkpoint("fin-sql01")

        (point,) = story.call(contract.GET_CHECKPOINT)
        assert point["CheckpointId"] == second
        assert {drive["VhdType"] for drive in point["HardDrives"]} == {"Differencing"}
        story.held[second] = lab / "hv1" / "shadow"
        story.judge()
