"""How the process of a host or a file server is started: its words, its ports, its certificate."""

import sys
from pathlib import Path
from typing import Final

from reconciler.lab.file_server import file_server_names

WSMAN_PORT: Final = 5985
TLS_PORT: Final = 5986
SMB_PORT: Final = 4455
"""The real one, 445, is for administrators only."""
PYTHON: Final = "python"
POWERSHELL: Final = "powershell"
BARE: Final = "powershell-bare"
"""As powershell, on hosts that nobody has installed the agent on yet."""
ENGINES: Final = (PYTHON, POWERSHELL, BARE)
ENGINE_FILE: Final = "engine"
TLS_PORT_FILE: Final = "tls-port"
SMB_PORT_FILE: Final = "smb-port"


def command(folder: Path, name: str, address: str, port: int) -> list[str]:
    """The command that serves a host or file server, whose certificate is made anew.

    Its other ports are the usual ones if this one is, else those that it had last, else any.
    """
    from reconciler.lab.certificates import Certificates  # noqa: PLC0415 (slow, and rarely needed)

    certificates = Certificates(folder)
    certificates.ensure()
    certificates.issue_for_host(name, address)
    is_file_server = name in file_server_names(folder)
    module = "reconciler.lab.serve_files" if is_file_server else "reconciler.lab.serve"
    words = ["--folder", str(folder), "--host", name, "--address", address, "--port", str(port)]
    usual = (TLS_PORT, SMB_PORT) if port == WSMAN_PORT else (0, 0)
    words += ["--tls-port", str(usual[0] or noted_port(folder / name / TLS_PORT_FILE))]
    if is_file_server:
        words += ["--smb-port", str(usual[1] or noted_port(folder / name / SMB_PORT_FILE))]
    return [sys.executable, "-m", module, *words]


def note_port(path: Path, port: int) -> None:
    """Remember a port that was found."""
    path.write_text(f"{port}\n", encoding="utf-8")


def noted_port(path: Path) -> int:
    """The port that was found; 0 if none was."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0


def note_engine(folder: Path, engine: str) -> None:
    """Remember what answers the calls to a lab's agents, for hosts that start from now on."""
    (folder / ENGINE_FILE).write_text(f"{engine}\n", encoding="utf-8")


def noted_engine(folder: Path) -> str:
    """What answers the calls to a lab's agents."""
    try:
        return (folder / ENGINE_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return PYTHON
