"""Nodes that are killed while machines move: each machine is on exactly one of them afterwards."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler import agent_contract as contract
from reconciler.lab.cluster import Cluster
from reconciler.lab.dice import Dice
from reconciler.lab.host import LabHost
from reconciler.lab.power import note_loss
from tests.lab_calls import assert_disks_equal_shadows, call, machines

ROUNDS = 6
ALL = {"app-01", "app-02", "app-03"}

MOVING = """
import sys
from pathlib import Path
from reconciler.lab.host import LabHost

lab = Path(sys.argv[1])
hosts = {name: LabHost(lab, name) for name in ("hvc1", "hvc2")}
print("ready", flush=True)
for turn in range(100_000):
    for name, host in hosts.items():
        host.sync()
        for vm in host.machine_names():
            host.guest_write(vm, 50_000)
            host.migrations.migrate(vm, "hvc2" if name == "hvc1" else "hvc1", 0)
"""

REPLACING = """
import sys
from pathlib import Path
from reconciler.lab.host import LabHost

host = LabHost(Path(sys.argv[1]), "hvc2")
print("ready", flush=True)
host.replace_node("hvc1")
print("done", flush=True)
sys.stdin.read()
"""


def kill_after(script: str, lab: Path, delay_s: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", script, str(lab)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        try:
            child.wait(delay_s)
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert child.returncode == -signal.SIGKILL


def assert_each_is_once(lab: Path, one: LabHost, other: LabHost) -> None:
    here, there = set(machines(one)), set(machines(other))
    assert here | there == ALL
    assert here & there == set()
    for host in (one, other):
        assert_disks_equal_shadows(lab, host.name)
        for machine in machines(host).values():
            assert machine["VirtualMachineType"] == "RealizedVirtualMachine"
    (shown,) = call(one, contract.GET_CLUSTER)
    owners = {group["VMId"]: group["OwnerNode"] for group in shown["Groups"]}
    for host in (one, other):
        for machine in machines(host).values():
            assert owners[machine["VMId"]] == host.name.upper()
    # what a kill leaves of a file in the writing is read by nobody
    assert list((lab / "hvcluster" / "moves").glob("*.json")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no signal 9")
def test_a_migration_that_is_killed_loses_and_doubles_no_machine(cluster: Path) -> None:
    dice = Dice("moving")
    for _ in range(ROUNDS):
        kill_after(MOVING, cluster, dice.between(1, 250) / 1000)

        with LabHost(cluster, "hvc1") as hvc1, LabHost(cluster, "hvc2") as hvc2:
            assert_each_is_once(cluster, hvc1, hvc2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no signal 9")
def test_a_survivor_that_is_killed_takes_over_again(cluster: Path) -> None:
    dice = Dice("replacing")
    for _ in range(ROUNDS):
        note_loss(cluster / "hvc1")
        kill_after(REPLACING, cluster, dice.between(0, 12) / 1000)

        with LabHost(cluster, "hvc2") as hvc2:
            hvc2.replace_node("hvc1")
            assert set(machines(hvc2)) == ALL
            assert Cluster(cluster / "hvcluster").read().nodes["hvc1"] == "Down"
            with LabHost(cluster, "hvc1") as hvc1:
                assert_each_is_once(cluster, hvc1, hvc2)
                hvc2.migrations.migrate("app-01", "hvc1", 0)
                hvc1.sync()
