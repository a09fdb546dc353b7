"""The process of one lab host: its state behind the wire, until it is told to stop."""

import argparse
import os
import signal
import threading
from pathlib import Path

from reconciler.agent_contract import MODULE
from reconciler.lab.control_server import ControlServer
from reconciler.lab.host import LabHost
from reconciler.lab.processes import ACCOUNT, PASSWORD_FILE, PID_FILE
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine


def serve(folder: Path, name: str, address: str, port: int) -> None:
    """Answer for one host until SIGTERM or SIGINT."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    password = (folder / PASSWORD_FILE).read_text(encoding="utf-8").strip()
    with LabHost(folder, name) as host:
        (folder / name / PID_FILE).write_text(f"{os.getpid()}\n")  # while its lock is ours
        wire = WireHost(name, {ACCOUNT: password}, {MODULE: agent_engine(host)})
        wire.listen(address, port)
        control = ControlServer(host, folder, {"traffic": lambda _: wire.traffic()})
        host.start()
        control.start()
        stopped.wait()
        control.close()
        wire.close()
        (folder / name / PID_FILE).unlink(missing_ok=True)


def main() -> None:
    """`python -m reconciler.lab.serve`."""
    parser = argparse.ArgumentParser(description="One lab host. Use `reconciler lab up`.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    serve(given.folder, given.host, given.address, given.port)


if __name__ == "__main__":
    main()
