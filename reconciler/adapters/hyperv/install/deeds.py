"""What an administrator's session does on a host: one script each, beside this file."""

from pathlib import Path
from typing import Final

from reconciler.agent_contract import AgentFunction, Field, Kind, Parameter

PIECE_BYTES: Final = 128 << 10

_NAME = Parameter("Name", Kind.STRING, "of the session configuration")
_PATH = Parameter("Path", Kind.STRING, "in the agent's folder")
_DESTINATION = Parameter("Destination", Kind.STRING, "in the agent's folder")
_FILES = (Field("Path", Kind.STRING), Field("Sha256", Kind.STRING))


def _deed(name: str, synopsis: str, *parameters: Parameter) -> AgentFunction:
    return AgentFunction(name, synopsis, parameters, "", (), changes_something=True)


LOOK: Final = AgentFunction(
    "Get-Installation",
    "What lies in the agent's folder, and which end point is registered.",
    (_NAME,),
    "",
    (
        Field("Folder", Kind.STRING),
        Field("PowerShellVersion", Kind.STRING),
        Field("Files", Kind.OBJECTS, fields=_FILES),
        Field("IsRegistered", Kind.BOOL),
        Field("RegisteredSha256", Kind.STRING, "of the file that Windows keeps; may be empty"),
    ),
)
WRITE: Final = _deed(
    "Write-Piece",
    "A piece of a file.",
    _PATH,
    Parameter("Offset", Kind.LONG, "where it begins"),
    Parameter("Data", Kind.BYTES, "its bytes", maximum=PIECE_BYTES),
)
COPY: Final = _deed("Copy-File", "A file that is there, once more.", _PATH, _DESTINATION)
MOVE: Final = _deed("Move-Item", "Another name for a file or folder.", _PATH, _DESTINATION)
REMOVE: Final = _deed("Remove-Item", "A file or folder goes.", _PATH)
REGISTER: Final = _deed("Register-EndPoint", "The end point is registered.", _NAME)
UNREGISTER: Final = _deed("Unregister-EndPoint", "The end point goes.", _NAME)
RESTART: Final = _deed("Restart-WinRM", "WinRM restarts in a moment.")
DEEDS: Final = (LOOK, WRITE, COPY, MOVE, REMOVE, REGISTER, UNREGISTER, RESTART)


def scripts() -> dict[str, str]:
    """The text of each deed's script, by its name."""
    folder = Path(__file__).parent
    return {d.name: (folder / f"{d.name}.ps1").read_text(encoding="utf-8") for d in DEEDS}
