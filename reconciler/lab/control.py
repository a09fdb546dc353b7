"""The lab's own door to a host process: make a guest write, copy shadows, set a property.

One JSON line asks, one answers, on a loopback port that the host picks and notes, with a token, in
`control.json` of its folder. Only who can read that file gets in. The product never uses it.
"""

import secrets
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.errors import HostUnreachableError, ReconcilerError
from reconciler.lab.create import host_names
from reconciler.lab.files import replace_file
from reconciler.lab.host import LabHost

_MOST_BYTES = 1 << 20
_TIMEOUT_S = 60.0

Arguments = Mapping[str, Any]
Deeds = dict[str, Callable[[Arguments], object]]


class _Door(BaseModel):
    """What `control.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int
    token: str


class ControlError(ReconcilerError):
    """The host did not do what the lab's door was asked."""

    code = "lab.control"


class ControlServer:
    """The door of one host, in the host's process."""

    def __init__(self, host: LabHost, folder: Path, more: Deeds | None = None) -> None:
        self._token = secrets.token_hex(32)
        self._deeds = _deeds(host) | (more or {})
        self._server = _Server(self._answer)
        self._path = folder / host.name / "control.json"
        door = _Door(port=self._server.server_address[1], token=self._token)
        replace_file(self._path, door.model_dump_json().encode(), mode=0o600)

    def start(self) -> None:
        """Answer on a thread."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._path.unlink(missing_ok=True)
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, line: bytes) -> dict[str, object]:
        try:
            asked = orjson.loads(line)
            if not secrets.compare_digest(str(asked["token"]), self._token):
                return {"error": "wrong token", "hint": "ask through reconciler lab"}
            return {"result": self._deeds[asked["operation"]](asked["arguments"])}
        except ReconcilerError as error:
            return {"error": error.message, "hint": error.hint}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"not understood: {error!r}", "hint": "see reconciler lab --help"}


class ControlClient:
    """Asks the door of one host."""

    def __init__(self, folder: Path, host_name: str) -> None:
        self._path = folder / host_name / "control.json"
        self._name = host_name

    def ask(self, operation: str, **arguments: object) -> Any:
        """The result of an operation of the door; see `_deeds` for the list.

        Raises:
            HostUnreachableError: The host's process does not answer.
            ControlError: It answered, and said no.
        """
        door = self._door()
        body = {"token": door.token, "operation": operation, "arguments": arguments}
        try:
            with socket.create_connection(("127.0.0.1", door.port), _TIMEOUT_S) as connection:
                connection.sendall(orjson.dumps(body) + b"\n")
                with connection.makefile("rb") as stream:
                    answer = orjson.loads(stream.readline())
        except (OSError, ValueError) as error:
            raise self._silent() from error
        if "error" in answer:
            raise ControlError(answer["error"], hint=answer["hint"])
        return answer["result"]

    def _door(self) -> _Door:
        try:
            return _Door.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError) as error:
            raise self._silent() from error

    def _silent(self) -> HostUnreachableError:
        return HostUnreachableError(
            f"lab host {self._name} is not running", hint="start it: reconciler lab up"
        )


def client_for_machine(folder: Path, vm: str) -> ControlClient:
    """The door of the host that has a machine of this name.

    Raises:
        ControlError: No running host of the lab has it.
    """
    for name in host_names(folder):
        client = ControlClient(folder, name)
        if vm in client.ask("ping")["machines"]:
            return client
    raise ControlError(f"no lab host has a machine {vm}", hint="reconciler lab status")


def _deeds(host: LabHost) -> Deeds:
    """Every operation of the door, with its arguments."""
    return {
        "ping": lambda _: {"host": host.name, "machines": list(host.machine_names())},
        "write": lambda a: host.guest_write(a["vm"], int(a["total_bytes"]), a.get("seed")),
        "shadow": lambda a: [str(path) for path in host.copy_shadows(Path(a["target"]))],
        "known_files": lambda a: [asdict(file) for file in host.known_files(a["vm"])],
        "set": lambda a: host.set_property(a["vm"], a["name"], str(a["value"])),
        "foreign_checkpoint": lambda a: host.foreign_checkpoint(a["vm"]),
        "foreign_reference_point": lambda a: host.foreign_reference_point(a["vm"]),
        "forget_tracking": lambda a: host.forget_tracking(a["vm"]),
        "delete_machine": lambda a: host.delete_machine(a["vm"]),
        "settle": lambda _: host.settle(),
    }


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Callable[[bytes], dict[str, object]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer


class _Handler(socketserver.StreamRequestHandler):
    timeout: ClassVar[float | None] = _TIMEOUT_S

    def handle(self) -> None:
        line = self.rfile.readline(_MOST_BYTES)
        if line.endswith(b"\n") and isinstance(self.server, _Server):
            self.wfile.write(orjson.dumps(self.server.answer(line)) + b"\n")
