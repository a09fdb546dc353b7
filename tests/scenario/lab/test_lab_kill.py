"""A host that is killed with signal 9 comes back whole: disks equal shadows, nothing is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler import agent_contract as contract
from reconciler.lab.book import local_path
from reconciler.lab.dice import Dice
from reconciler.lab.disks import LabDisk
from reconciler.lab.host import LabHost
from reconciler.lab.images.manifest import disk_image
from reconciler.lab.shadow import hash_shadow
from reconciler.lab.state import HostState
from reconciler.model.ranges import ByteRange

ROUNDS = 3

BUSY = """
import sys
from pathlib import Path
from reconciler import agent_contract as contract
from reconciler.lab.host import LabHost
from reconciler.lab.state import new_id

lab, seed = Path(sys.argv[1]), sys.argv[2]
host = LabHost(lab, "hv1")
print("ready", flush=True)
for turn in range(100_000):
    host.foreign_checkpoint("fin-sql01")
    host.guest_write("fin-sql01", 300_000, f"{seed}/{turn}")
    for point in host.invoke(contract.GET_CHECKPOINT, {}):
        host.invoke(
            contract.START_CHECKPOINT_REMOVAL,
            {"RequestId": new_id(), "VMId": point["VMId"], "CheckpointId": point["CheckpointId"]},
        )
        host.settle()
    print(turn, flush=True)
"""


def kill_while_busy(lab: Path, seed: str, delay_ms: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY, str(lab), seed], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        try:
            child.wait(delay_ms / 1000)
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert child.returncode == -signal.SIGKILL


def assert_whole(folder: Path) -> None:
    state = HostState.parse((folder / "state.json").read_bytes())
    assert state.pending is None
    for machine in state.machines.values():
        for disk in machine.disks:
            shadow = folder / "shadow" / f"{machine.label}-disk{disk.number}.raw"
            opened = LabDisk.open([local_path(folder, path) for path in disk.chain])
            for file in disk_image(disk.image).files():
                for place in file.places(ByteRange(0, max(file.size, 1))):
                    with shadow.open("rb") as raw:
                        raw.seek(place.start)
                        expected = raw.read(place.length)
                    assert opened.read(place.start, place.length) == expected, file.path
                if file.extents:
                    whole = file.places(ByteRange(0, file.size))
                    assert hash_shadow(shadow, whole) == disk.hashes[file.path]
            opened.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no signal 9")
def test_a_host_that_is_killed_comes_back_whole(lab: Path) -> None:
    dice = Dice("kill")
    for turn in range(ROUNDS):
        kill_while_busy(lab, f"{turn}", dice.between(1, 400))

        with LabHost(lab, "hv1") as host:
            assert_whole(lab / "hv1")
            host.settle()
            (machine,) = host.invoke(contract.GET_MACHINE, {})
            assert "CreatingSnapshot" not in str(machine["OperationalStatus"])
            assert_whole(lab / "hv1")
