"""The host's side of the lab's own door; see `control`."""

import secrets
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Final

import orjson

from reconciler.errors import ReconcilerError
from reconciler.lab.control import TIMEOUT_S, Door
from reconciler.lab.files import replace_file
from reconciler.lab.host import LabHost

_MOST_BYTES: Final = 1 << 20

Arguments = Mapping[str, Any]
Deeds = dict[str, Callable[[Arguments], object]]


def host_control(host: LabHost, lab: Path, more: Deeds | None = None) -> "ControlServer":
    """The door of a host; it answers when it is started."""
    return ControlServer(lab / host.name, _deeds(host) | (more or {}), host.sync)


class ControlServer:
    """The door of one host or file server, in its process."""

    def __init__(
        self, folder: Path, deeds: Deeds, before: Callable[[], None] = lambda: None
    ) -> None:
        """`before` is called before each deed."""
        self._token = secrets.token_hex(32)
        self._before = before
        self._deeds = deeds
        self._server = _Server(self._answer)
        self._path = folder / "control.json"
        door = Door(port=self._server.server_address[1], token=self._token)
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
            self._before()
            return {"result": self._deeds[asked["operation"]](asked["arguments"])}
        except ReconcilerError as error:
            return {"error": error.message, "hint": error.hint}
        except (KeyError, TypeError, ValueError, OSError) as error:
            return {"error": f"not understood: {error!r}", "hint": "see reconciler lab --help"}


def _deeds(host: LabHost) -> Deeds:
    """Every operation of the door, with its arguments."""
    return {
        "ping": lambda _: {
            "host": host.name,
            "machines": list(host.machine_names()),
            "called": list(host.machine_callings()),
        },
        "write": lambda a: host.guest_write(a["vm"], int(a["total_bytes"]), a.get("seed")),
        "shadow": lambda a: [str(path) for path in host.copy_shadows(Path(a["target"]))],
        "known_files": lambda a: [asdict(file) for file in host.known_files(a["vm"])],
        "set": lambda a: host.set_property(a["vm"], a["name"], str(a["value"])),
        "foreign_checkpoint": lambda a: host.foreign_checkpoint(a["vm"]),
        "foreign_reference_point": lambda a: host.foreign_reference_point(a["vm"]),
        "forget_tracking": lambda a: host.forget_tracking(a["vm"]),
        "delete_machine": lambda a: host.delete_machine(a["vm"]),
        "settle": lambda _: host.settle(),
        "set_volume": lambda a: host.set_volume(a["path"], a["name"], str(a["value"])),
        "set_requirement": lambda a: host.set_requirement(a["name"], str(a["value"])),
        "migrate": lambda a: host.migrations.migrate(a["vm"], a["to"], float(a["seconds"])),
        "move_storage": lambda a: list(host.move_storage(a["vm"], a["path"])),
        "begin_migration": lambda a: host.migrations.begin(a["vm"], a["to"], float(a["seconds"])),
        "apply_replica_log": lambda a: host.apply_replica_log(a["vm"], int(a["total_bytes"])),
        "shut_down": lambda _: host.shut_down(),
        "replace_node": lambda a: host.replace_node(a["lost"]),
        "states": lambda _: host.states(),
        "fault_set": lambda a: host.faults.set(a["kind"], a.get("vm"), a.get("count")),
        "fault_clear": lambda a: host.faults.clear(a.get("kind"), a.get("vm")),
        "faults": lambda _: host.faults.all(),
    }


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Callable[[bytes], dict[str, object]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer


class _Handler(socketserver.StreamRequestHandler):
    timeout: ClassVar[float | None] = TIMEOUT_S

    def handle(self) -> None:
        line = self.rfile.readline(_MOST_BYTES)
        if line.endswith(b"\n") and isinstance(self.server, _Server):
            self.wfile.write(orjson.dumps(self.server.answer(line)) + b"\n")
