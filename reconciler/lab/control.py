"""The lab's own door to a host process: make a guest write, copy shadows, set a property.

One JSON line asks, one answers, on a loopback port that the host picks and notes, with a token, in
`control.json` of its folder. Only who can read that file gets in. The product never uses it. This
is the caller's side; `control_server` has the other, and all that a host needs.
"""

import socket
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.errors import HostUnreachableError, ReconcilerError

TIMEOUT_S: Final = 60.0


class Door(BaseModel):
    """What `control.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int
    token: str


class ControlError(ReconcilerError):
    """The host did not do what the lab's door was asked."""

    code = "lab.control"


def host_names(folder: Path) -> tuple[str, ...]:
    """The hosts that a lab folder holds, sorted."""
    return tuple(sorted(path.parent.name for path in folder.glob("*/state.json")))


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
            with socket.create_connection(("127.0.0.1", door.port), TIMEOUT_S) as connection:
                connection.sendall(orjson.dumps(body) + b"\n")
                with connection.makefile("rb") as stream:
                    answer = orjson.loads(stream.readline())
        except (OSError, ValueError) as error:
            raise self._silent() from error
        if "error" in answer:
            raise ControlError(answer["error"], hint=answer["hint"])
        return answer["result"]

    def _door(self) -> Door:
        try:
            return Door.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError) as error:
            raise self._silent() from error

    def _silent(self) -> HostUnreachableError:
        return HostUnreachableError(
            f"lab host {self._name} is not running", hint="start it: reconciler lab up"
        )


def client_for_machine(folder: Path, vm: str) -> ControlClient:
    """The door of the first host that has a machine of this name, label or id.

    Raises:
        ControlError: No host of the lab has it.
        HostUnreachableError: No host that runs has it, and one does not run.
    """
    silent = None
    for name in host_names(folder):
        client = ControlClient(folder, name)
        try:
            called = client.ask("ping")["called"]
        except HostUnreachableError as error:
            silent = silent or error
            continue
        if vm in called:
            return client
    if silent:
        raise silent
    raise ControlError(f"no lab host has a machine {vm}", hint="reconciler lab status")
