"""A host whose own disks are read over its administrative shares, by a real Samba."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from reconciler.execute.outcome import Verdict
from reconciler.lab import processes
from reconciler.lab.control import ControlClient
from reconciler.lab.samba import HostSamba, Samba, is_installed
from reconciler.logs import Event
from tests.lab_world import World, free_port
from tests.tcp_proxy import TcpProxy

pytest_plugins = ["tests.lab_world"]

WRITTEN = 600_000
CONFIGURATION = 7_700_000
"""What its configuration files take on their way through the agent, base64 in base64."""
TALK = CONFIGURATION + (950 << 10)
"""More than all else that is said to a host in one pass, and less than with blocks of the disk."""


@pytest.fixture(scope="module")
def samba(small_world: World) -> Iterator[Samba]:
    """The drives of hv2, shared as Windows shares them for administrators."""
    if not is_installed():
        pytest.skip("Samba is not installed")
    password = (small_world.lab / processes.PASSWORD_FILE).read_text(encoding="utf-8").strip()
    served = HostSamba(small_world.lab / "hv2", "127.0.0.1", 0, ("reconciler", password))
    yield served
    served.close()


def through_smb(world: World, state: str, port: int) -> World:
    """A reconciler that is to read disks over the host's shares."""
    other = world.another(state)
    file = other.policies / "all.yaml"
    key = "authentication: ntlm\n"
    more = f"{key}disks_through: smb\nsmb_port: {port}\nread_limit: 1GiB\n"
    file.write_text(file.read_text().replace(key, more))
    return other


def traffic(world: World) -> int:
    return int(ControlClient(world.lab, "hv2").ask("traffic"))


def copied(world: World, name: str) -> tuple[list[str], int, list[str]]:
    """Write to the guest and back it up: what differs, what the host said, what was logged."""
    world.write("web-01", WRITTEN)
    world.advance(60)
    shadow: Path = world.shadow(f"{world.state}-{name}")
    before = traffic(world)
    with capture_logs() as lines:
        _, results = world.apply()
    crossed = traffic(world) - before
    assert [result.verdict for result in results] == [Verdict.DONE]
    events = [line["event"] for line in lines if str(line["event"]).startswith("disks.")]
    return world.differing("web-01", world.points("web-01")[-1], shadow), crossed, events


def test_a_replica_made_over_smb_is_what_its_shadow_holds(small_world: World, samba: Samba) -> None:
    world = through_smb(small_world, "over-smb", samba.port)
    for name in ("first", "second"):
        differing, crossed, events = copied(world, name)

        assert differing == []
        assert crossed < TALK
        assert set(events) == {Event.DISKS_READ_OVER_SMB}


def test_a_host_without_shares_is_read_by_its_agent_and_the_log_says_so(
    small_world: World,
) -> None:
    differing, crossed, events = copied(through_smb(small_world, "by-agent", free_port()), "only")

    assert differing == []
    assert crossed > TALK
    assert set(events) == {Event.DISKS_READ_BY_AGENT}


def test_a_disk_whose_share_goes_away_in_the_middle_is_read_to_its_end_by_the_agent(
    small_world: World, samba: Samba
) -> None:
    proxy = TcpProxy(("127.0.0.1", samba.port))
    try:
        world = through_smb(small_world, "broken-off", proxy.port)
        proxy.cut_after(2 << 20)
        differing, crossed, events = copied(world, "first")
    finally:
        proxy.close()

    assert differing == []
    assert crossed > TALK
    assert events[0] == Event.DISKS_READ_OVER_SMB
    assert set(events) == {Event.DISKS_READ_OVER_SMB, Event.DISKS_READ_BY_AGENT}
