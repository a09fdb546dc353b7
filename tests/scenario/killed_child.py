"""A reconciler that is killed at a boundary: `python killed_child.py BOUNDARY FOLDER STATE`."""

import os
import signal
import sys
from pathlib import Path

from reconciler import logs
from reconciler.app import open_app
from reconciler.execute.boundaries import Boundary
from reconciler.settings import ClockChoice, Settings


def main(boundary: str, folder: str, state: str) -> None:
    """Plan and carry out, and die as soon as the boundary is reached."""
    deadly = Boundary(boundary)

    def reached(passed: Boundary) -> None:
        if passed is deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    home = Path(folder)
    settings = Settings(home / "policies", home / state, home / "lab", ClockChoice.LAB)
    logs.configure("info", "json")
    with open_app(settings, reached) as app:
        reconciler = app.reconciler()
        for _ in reconciler.carry_out(reconciler.plan()):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
