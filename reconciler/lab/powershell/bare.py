"""A lab host that the agent is yet to be installed on: an administrator's end point, and a disk.

The administrator's commands are run by a real PowerShell without restrictions, whose program folder
is a folder of the lab. Registered end points are served from the files that were installed; what
Windows alone can do (registration, the restart of WinRM) is stood in for, and comes into force as
there: when WinRM restarts.
"""

import hashlib
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler.lab.files import replace_file
from reconciler.lab.power import computer_name
from reconciler.lab.powershell.engine import PowerShellEngine, powershell_engine
from reconciler.lab.powershell.session import (
    REPLACED,
    STAND_INS,
    powershell_environment,
    required_pwsh,
)
from reconciler.lab.wire.engine import EngineError, EngineFactory, Output, ShellEngine

CONFIGURATION: Final = "Microsoft.PowerShell"
RESTART_S: Final = 0.5
"""How long after it was asked WinRM restarts."""
_COMPOSE: Final = Path(__file__).parent / "compose.ps1"
_COMPOSE_S: Final = 60
_ADMINISTRATORS: Final = Path(__file__).parent / "administrator_stand_ins"
_WORDS: Final = ("-s", "-NoLogo", "-NoProfile")

Registration = dict[str, Any]


def nothing_to_install(output: Output) -> ShellEngine:
    """The administrator's end point of hosts whose agent is built in."""
    del output
    raise EngineError(
        "The agent of this lab host is built in, so nothing can be installed on it. "
        "For hosts that can be installed on: reconciler lab down; "
        "reconciler lab up --engine powershell --bare. "
    )


class BareHost:
    """The end points of one host, as its administrator registers them."""

    def __init__(self, lab: Path, name: str, administrator: str) -> None:
        self._administrator = administrator.lower()
        self._folder = (lab / name / "powershell").resolve()
        self._folder.mkdir(exist_ok=True)
        self._disk = self._folder / "disk"
        self._modules = self._disk / "Program Files" / "WindowsPowerShell" / "Modules"
        self._modules.mkdir(parents=True, exist_ok=True)
        self._file = self._folder / "registrations.json"
        self._pwsh = str(required_pwsh())
        self._environment = self._surroundings((lab / name).resolve(), computer_name(name))
        self._lock = threading.Lock()
        self._admitted: dict[str, list[str]] = {}
        self.engines: dict[str, EngineFactory] = {}
        """By the name of the end point; what was in force when WinRM started last."""
        self._start()

    def admits(self, configuration: str, user: str) -> bool:
        """Whether an end point takes a user: as its role definitions say."""
        if configuration == CONFIGURATION:
            return user.lower() == self._administrator
        return user.lower() in self._admitted.get(configuration, [])

    def deeds(
        self, restart: Callable[[], None]
    ) -> dict[str, Callable[[Mapping[str, Any]], object]]:
        """What the stand-ins of an administrator's session may ask for."""

        def restarted() -> None:
            with self._lock:
                self._start()
            restart()

        def begin(_: Mapping[str, Any]) -> object:
            threading.Timer(RESTART_S, restarted).start()
            return []

        return {
            "powershell_registrations": lambda _: list(self._registrations().values()),
            "powershell_register": self._register,
            "powershell_unregister": self._unregister,
            "powershell_restart": begin,
        }

    def _start(self) -> None:
        """What is registered comes into force."""
        registered = self._registrations()
        administrators = {**self._environment, "PSModulePath": f"{_ADMINISTRATORS}:{STAND_INS}"}
        engines = {CONFIGURATION: powershell_engine([self._pwsh, *_WORDS], administrators)}
        for name, registration in registered.items():
            engines[name] = self._shells(name, Path(registration["ConfigFilePath"]))
        self._admitted = {
            name: [str(account).lower() for account in each["Accounts"]]
            for name, each in registered.items()
        }
        self.engines.clear()
        self.engines.update(engines)

    def _shells(self, name: str, file: Path) -> EngineFactory:
        def shell(output: Output) -> ShellEngine:
            flat = str(self._composed(name, file))
            words = [self._pwsh, *_WORDS, "-ConfigurationFile", flat]
            return PowerShellEngine(output, words, self._environment)

        return shell

    def _composed(self, name: str, file: Path) -> Path:
        """A flat configuration, of the registered one and of its role capability as it is now."""
        roles = sorted(self._modules.glob("*/RoleCapabilities/*.psrc"))
        texts = [path.read_bytes() for path in (file, *roles) if path.is_file()]
        digest = hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
        target = self._folder / f"{name}-{digest}.pssc"
        if not target.exists():
            done = subprocess.run(  # noqa: S603 (ourselves, with words of our own)
                [self._pwsh, "-NoLogo", "-NoProfile", "-File", str(_COMPOSE)],
                env=self._environment
                | {
                    "COMPOSE_FROM": str(file),
                    "COMPOSE_TO": str(target),
                    "COMPOSE_MODULE": str(REPLACED),
                },
                capture_output=True,
                text=True,
                check=False,
                timeout=_COMPOSE_S,
            )
            if done.returncode:
                raise EngineError(f"The session cannot be configured: {done.stderr.strip()[-400:]}")
        return target

    def _surroundings(self, host_folder: Path, computer: str) -> dict[str, str]:
        usual = powershell_environment(self._folder, host_folder, computer)
        return usual | {
            "PSModulePath": f"{STAND_INS}:{self._modules}",
            "ProgramFiles": str(self._disk / "Program Files"),
            "SystemRoot": str(self._disk / "Windows"),
        }

    def _registrations(self) -> dict[str, Registration]:
        try:
            found: dict[str, Registration] = orjson.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def _register(self, arguments: Mapping[str, Any]) -> object:
        with self._lock:
            found = self._registrations() | {arguments["Name"]: dict(arguments)}
            replace_file(self._file, orjson.dumps(found))
        return []

    def _unregister(self, arguments: Mapping[str, Any]) -> object:
        with self._lock:
            found = self._registrations()
            found.pop(arguments["Name"], None)
            replace_file(self._file, orjson.dumps(found))
        return []
