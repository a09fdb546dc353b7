"""One machine of a live host, from a policy to its disks in a folder, by the command line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import pytest

from reconciler.app import open_app
from reconciler.blocks.disk_file import open_disk
from reconciler.blocks.disk_local import LocalFiles
from reconciler.model.machine import VirtualMachine
from reconciler.model.names import HostName, JobId
from reconciler.model.observed import checkpoint_name
from reconciler.model.protection import Consistency
from reconciler.model.ranges import ByteRange
from reconciler.ports import HostSession
from reconciler.record.entries import new_id, new_request_id
from reconciler.settings import Settings

pytestmark = pytest.mark.live

PIECE_BYTES = 1 << 20
PIECES_AT_ONCE = 1024
POLICY = """
schema: reconciler/v1
kind: ProtectionGroup
name: live
members:
  - {{id: {vm_id}}}
pool: live
retention: 30d
recovery_points: {{times: ["00:00"]}}
zone: UTC
---
schema: reconciler/v1
kind: StoragePool
name: live
volumes:
  - {{name: live-1, path: {volume}}}
"""


@dataclass(frozen=True)
class Trial:
    """A reconciler of its own for one machine of the live host."""

    folder: Path
    host: HostSession
    machine: VirtualMachine

    @property
    def settings(self) -> Settings:
        return Settings(policies=self.folder / "policies", state=self.folder / "state")

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", *words],
            env={
                **os.environ,
                "RECONCILER_POLICIES": str(self.settings.policies),
                "RECONCILER_STATE": str(self.settings.state),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """The machine that the environment names; what its reference points leave is removed."""
    if "RECONCILER_LIVE_POLICIES" not in os.environ:
        pytest.skip("no live host: set RECONCILER_LIVE_POLICIES")
    folder = tmp_path_factory.mktemp("live")
    copytree(os.environ["RECONCILER_LIVE_POLICIES"], folder / "policies")
    settings = Settings(policies=folder / "policies", state=folder / "state")
    with open_app(settings) as app:
        session = app.open_host(HostName(os.environ["RECONCILER_LIVE_HOST"]))
        wanted = os.environ["RECONCILER_LIVE_MACHINE"]
        machine = next(m for m in session.machines() if m.name == wanted)
        text = POLICY.format(vm_id=machine.id, volume=folder / "volume")
        (folder / "policies" / "live.yaml").write_text(text, encoding="utf-8")
        yield Trial(folder, session, machine)
        for point in app.catalogue.reference_points():
            session.remove_reference_point(machine.id, point.id, new_request_id())
        session.close()


def test_a_machine_is_backed_up_twice_and_its_disks_come_back(trial: Trial) -> None:
    name = trial.machine.name
    trial.run("check")
    trial.run("apply")
    trial.run("request", "backup", name)
    told = trial.run("show", name)
    trial.run("recover", "disks", name, "--to", str(trial.folder / "back"))
    files = [f for f in (trial.folder / "back").rglob("*") if f.suffix in {".vhdx", ".vhd"}]

    assert len(files) == len(trial.machine.disks), told
    with open_app(trial.settings) as app:
        mark = checkpoint_name(app.catalogue.server_id, JobId(""))
    left = [c.name for c in trial.host.checkpoints((trial.machine.id,)) if c.name.startswith(mark)]
    assert left == []


def test_disks_of_a_machine_that_is_off_come_back_as_the_host_holds_them(trial: Trial) -> None:
    if trial.machine.state != "Off":
        pytest.skip("the machine is not off: its disks change while they are compared")
    label = f"reconciler live {new_id()}"
    vm_id = trial.machine.id
    point = trial.host.take_checkpoint(vm_id, Consistency.CRASH, label, new_request_id())
    try:
        for disk in point.disks:
            slot = f"{disk.slot.controller_type}-{disk.slot.controller_number}-{disk.slot.location}"
            (copy,) = (trial.folder / "back").rglob(f"*-{slot}.vhd*")
            with LocalFiles() as files:
                recovered, source = open_disk(files, str(copy)), open_disk(trial.host, disk.path)
                assert recovered.virtual_bytes == source.virtual_bytes
                for batch in batches(source.virtual_bytes):
                    assert recovered.hashes_of(batch) == source.hashes_of(batch), batch[0]
    finally:
        trial.host.remove_checkpoint(vm_id, point.id, new_request_id())


def batches(size: int) -> Iterator[list[ByteRange]]:
    """A whole disk in pieces, some at a time."""
    pieces = [ByteRange(at, min(at + PIECE_BYTES, size)) for at in range(0, size, PIECE_BYTES)]
    for first in range(0, len(pieces), PIECES_AT_ONCE):
        yield pieces[first : first + PIECES_AT_ONCE]
