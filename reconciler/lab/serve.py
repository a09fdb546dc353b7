"""The process of one lab host: its state behind the wire, until it is told to stop."""

import argparse
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from reconciler.agent_contract import MODULE
from reconciler.lab.certificates import PRINCIPAL, Certificates
from reconciler.lab.control_server import host_control
from reconciler.lab.host import LabHost
from reconciler.lab.launch import BARE, POWERSHELL, TLS_PORT_FILE, note_port, noted_engine
from reconciler.lab.powershell.bare import CONFIGURATION, BareHost, nothing_to_install
from reconciler.lab.powershell.door import HyperVDoor
from reconciler.lab.powershell.session import agent_shells
from reconciler.lab.processes import (
    ACCOUNT,
    ADMINISTRATOR,
    ADMINISTRATOR_PASSWORD_FILE,
    PASSWORD_FILE,
    PID_FILE,
)
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine
from reconciler.lab.wire.tls import HostTls


@dataclass(frozen=True, slots=True)
class Place:
    """Who of a lab this process is, and where it answers."""

    lab: Path
    name: str
    address: str
    port: int
    tls_port: int
    """Any, if 0."""

    @classmethod
    def of(cls, given: argparse.Namespace) -> Self:
        """As the command says."""
        return cls(given.folder, given.host, given.address, given.port, given.tls_port)


def serve(place: Place) -> None:
    """Answer for one host until SIGTERM or SIGINT."""
    stopped = until_stopped()
    folder, name = place.lab, place.name
    password = (folder / PASSWORD_FILE).read_text(encoding="utf-8").strip()
    with LabHost(folder, name) as host:
        (folder / name / PID_FILE).write_text(f"{os.getpid()}\n")  # while its lock is ours
        users = {ACCOUNT: password}
        bare = _bare(folder, name)
        if bare is not None:
            users[ADMINISTRATOR] = (folder / ADMINISTRATOR_PASSWORD_FILE).read_text().strip()
        wire = _wire(host, folder, users, bare)
        host.faults.changed = lambda: wire.be_down(is_down=host.faults.is_down)
        host.faults.changed()
        wire.listen(place.address, place.port)
        listen_tls(wire, place)
        deeds = {"traffic": lambda _: wire.traffic(), **HyperVDoor(host).deeds()}
        if bare is not None:
            deeds |= bare.deeds(lambda: _restart(wire, host))
        control = host_control(host, folder, deeds)
        host.start()
        control.start()
        stopped.wait()
        control.close()
        wire.close()
        (folder / name / PID_FILE).unlink(missing_ok=True)


def _bare(lab: Path, name: str) -> BareHost | None:
    """What was installed on a host, if the lab was told that the agent is to be installed."""
    if noted_engine(lab) != BARE:
        return None
    return BareHost(lab, name, ADMINISTRATOR)


def _wire(host: LabHost, lab: Path, users: dict[str, str], bare: BareHost | None) -> WireHost:
    """What answers on the wire: as the lab was told when it was last brought up."""
    strikes = host.faults.strikes
    if bare is not None:
        wire = WireHost(host.name, users, bare.engines, strikes=strikes)
        wire.admit(bare.admits)
        return wire
    is_powershell = noted_engine(lab) == POWERSHELL
    agent = agent_shells(lab, host.name) if is_powershell else agent_engine(host)
    engines = {MODULE: agent, CONFIGURATION: nothing_to_install}
    return WireHost(host.name, users, engines, strikes=strikes)


def _restart(wire: WireHost, host: LabHost) -> None:
    """As WinRM restarts: its sessions end, and for a moment it takes no connection."""
    wire.be_down(is_down=True)
    wire.end_shells()
    wire.be_down(is_down=host.faults.is_down)


def until_stopped() -> threading.Event:
    """What SIGTERM and SIGINT set."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def listen_tls(wire: WireHost, place: Place) -> None:
    """Answer over HTTPS, too; the certificate of the lab's client is that of its account."""
    files = Certificates(place.lab)
    tls = HostTls(*files.of_host(place.name), files.authority, {PRINCIPAL: ACCOUNT})
    port = wire.listen(place.address, place.tls_port, tls)
    note_port(place.lab / place.name / TLS_PORT_FILE, port)


def parser() -> argparse.ArgumentParser:
    """The words of a process of the lab."""
    words = argparse.ArgumentParser(description="A part of a lab. Use `reconciler lab up`.")
    words.add_argument("--folder", type=Path, required=True)
    words.add_argument("--host", required=True)
    words.add_argument("--address", required=True)
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--tls-port", type=int, default=0)
    return words


def main() -> None:
    """`python -m reconciler.lab.serve`."""
    serve(Place.of(parser().parse_args()))


if __name__ == "__main__":
    main()
