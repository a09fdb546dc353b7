"""The process of one file server: its agent and its shares, until it is told to stop."""

import os
from pathlib import Path

from reconciler.agent_contract import MODULE
from reconciler.lab.clock import LabClock
from reconciler.lab.control_server import ControlServer, Deeds
from reconciler.lab.file_agent import FUNCTIONS, FileServerAgent
from reconciler.lab.files import FolderLock
from reconciler.lab.launch import SMB_PORT_FILE, note_port
from reconciler.lab.processes import ACCOUNT, PASSWORD_FILE, PID_FILE
from reconciler.lab.samba import Samba, is_installed
from reconciler.lab.serve import Place, listen_tls, parser, until_stopped
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine


def serve(place: Place, smb_port: int) -> None:
    """Answer for one file server until SIGTERM or SIGINT."""
    stopped = until_stopped()
    folder = place.lab / place.name
    lock = FolderLock(folder)
    (folder / PID_FILE).write_text(f"{os.getpid()}\n")  # while the lock is ours
    password = (place.lab / PASSWORD_FILE).read_text(encoding="utf-8").strip()
    samba = _samba(folder, place.address, smb_port, password)
    booted_at = LabClock(place.lab)().isoformat(timespec="seconds")
    agent = FileServerAgent(folder, booted_at)
    engine = agent_engine(agent, FUNCTIONS)
    wire = WireHost(place.name, {ACCOUNT: password}, {MODULE: engine})
    wire.listen(place.address, place.port)
    listen_tls(wire, place)
    pong = {"host": place.name, "machines": [], "called": []}
    deeds: Deeds = {
        "ping": lambda _: pong,
        "traffic": lambda _: wire.traffic(),
        "set_requirement": lambda a: agent.set_requirement(a["name"], str(a["value"])),
    }
    control = ControlServer(folder, deeds)
    control.start()
    stopped.wait()
    control.close()
    wire.close()
    if samba:
        samba.close()
    (folder / PID_FILE).unlink(missing_ok=True)
    lock.release()


def _samba(folder: Path, address: str, port: int, password: str) -> Samba | None:
    """The shares, where this computer has Samba."""
    if not is_installed():
        (folder / SMB_PORT_FILE).unlink(missing_ok=True)
        return None
    samba = Samba(folder, address, port, (ACCOUNT.rpartition("\\")[2], password))
    note_port(folder / SMB_PORT_FILE, samba.port)
    return samba


def main() -> None:
    """`python -m reconciler.lab.serve_files`."""
    words = parser()
    words.add_argument("--smb-port", type=int, default=0)
    given = words.parse_args()
    serve(Place.of(given), given.smb_port)


if __name__ == "__main__":
    main()
