import os
import signal
import socket
import subprocess
import sys
from subprocess import PIPE

import pytest

from reconciler.owner import Life, is_alive, life_of, this_owner

WAIT = "from reconciler.owner import this_owner; print(this_owner(), flush=True); input()"
ASK = "from reconciler.owner import this_owner; print(this_owner())"


def test_this_process_is_alive_and_stays_itself() -> None:
    assert this_owner() == this_owner()
    assert is_alive(this_owner())


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_process_that_ended_is_dead_at_once() -> None:
    ended = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)

    assert ended.stdout.startswith(f"{socket.gethostname()}:")
    assert not is_alive(ended.stdout.strip())


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_process_that_got_the_id_of_a_dead_one_is_another() -> None:
    host, pid, start = this_owner().split(":")

    assert not is_alive(f"{host}:{pid}:{start}0")


def test_of_another_machine_nothing_is_known_so_the_lease_decides() -> None:
    assert is_alive("elsewhere:1:a")
    assert life_of("elsewhere:1:a") is Life.UNKNOWN


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("ours", "theirs"), [("4026", "4027"), (".", "1.")])
def test_of_another_computer_or_container_of_the_same_name_nothing_is_known(
    ours: str, theirs: str
) -> None:
    host, pid, origin = this_owner().split(":")
    assert ours in origin

    assert life_of(f"{host}:{pid}0:{origin}") is Life.DEAD
    assert life_of(f"{host}:{pid}0:{origin.replace(ours, theirs, 1)}") is Life.UNKNOWN


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_process_that_is_stopped_is_not_known_to_live() -> None:
    assert life_of(this_owner()) is Life.ALIVE
    with subprocess.Popen([sys.executable, "-c", WAIT], stdin=PIPE, stdout=PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        owner = child.stdout.readline().decode().strip()
        assert life_of(owner) is Life.ALIVE
        child.send_signal(signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)

        assert life_of(owner) is Life.UNKNOWN

        child.send_signal(signal.SIGCONT)
        child.stdin.close()
        child.wait()
    assert life_of(owner) is Life.DEAD


@pytest.mark.parametrize("text", ["", "::", "host", "host:one:a", ":1:a", "a:b:c:d", "h:-1:a"])
def test_a_text_that_is_no_owner_is_dead(text: str) -> None:
    assert not is_alive(text)
