"""The shares of a file server, by a Samba of its own: as this user, on a high port, read only.

It dies with whoever started it: it looks for the end of its standard input.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import ClassVar, Final

from reconciler.errors import SettingsError
from reconciler.lab.file_server import shares

START_S: Final = 15.0
STOP_S: Final = 5.0
_POLL_S: Final = 0.05
_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin")
# An address that no interface has is taken only with a mask: all of 127.0.0.0/8 is loopback.
_GLOBAL: Final = """\
[global]
server role = standalone server
workgroup = LAB
netbios name = {name}
interfaces = {address}/8
bind interfaces only = yes
smb ports = {port}
disable netbios = yes
disable spoolss = yes
load printers = no
printing = bsd
server min protocol = SMB3_00
map to guest = never
usershare path =
passdb backend = tdbsam:{own}/users.tdb
username map = {own}/users.map
private dir = {own}
lock directory = {own}
state directory = {own}
cache directory = {own}
pid directory = {own}
ncalrpc dir = {own}/ncalrpc
log file = {own}/smbd.log
"""
_SHARE: Final = """
[{name}]
path = {path}
read only = {read_only}
valid users = {user}
smb encrypt = {encryption}
"""


def is_installed() -> bool:
    """Whether this computer has Samba."""
    return _program("smbd") is not None and _program("pdbedit") is not None


class Samba:
    """One running smbd, whose shares can only be read."""

    read_only: ClassVar = "yes"

    def __init__(
        self,
        folder: Path,
        address: str,
        port: int,
        login: tuple[str, str],
        *,
        is_encrypted: bool = False,
    ) -> None:
        """Serve the shares of a file server's folder to one account, until closed.

        Raises:
            SettingsError: It did not start; the message has the end of its log.
        """
        self.port = port or _free_port(address)
        self._own = Path(tempfile.mkdtemp(prefix="reconciler-smb-"))  # short: sockets lie in it
        self._configuration = self._own / "smb.conf"
        self._encryption = "required" if is_encrypted else "default"
        try:
            self._write(folder, address, login[0])
            self._add_user(login[1])
            self._process = self._started()
            self._wait_until_ready(address)
        except BaseException:
            shutil.rmtree(self._own, ignore_errors=True)
            raise

    def close(self) -> None:
        """Stop it, and remove what it has written."""
        assert self._process.stdin is not None  # noqa: S101 (a pipe)
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._own, ignore_errors=True)

    def _shared(self, folder: Path) -> Mapping[str, Path]:
        """The shares, by name."""
        return {share.name: share for share in shares(folder)}

    def _write(self, folder: Path, address: str, account: str) -> None:
        user = getpass.getuser()
        text = _GLOBAL.format(
            name=folder.name.upper(), address=address, port=self.port, own=self._own
        )
        for name, path in self._shared(folder).items():
            text += _SHARE.format(
                name=name,
                path=path.resolve(),
                user=user,
                encryption=self._encryption,
                read_only=self.read_only,
            )
        self._configuration.write_text(text, encoding="utf-8")
        (self._own / "users.map").write_text(f"{user} = {account}\n", encoding="utf-8")

    def _add_user(self, password: str) -> None:
        """Give the user that we are a password; the account of the lab is another name for it."""
        command = [str(_program("pdbedit")), "-s", str(self._configuration), "-a", "-t"]
        done = subprocess.run(  # noqa: S603 (Samba's own tool, with words of our own)
            [*command, "-u", getpass.getuser()],
            input=f"{password}\n{password}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise self._failed(done.stderr)

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [str(_program("smbd")), "-s", str(self._configuration), "--foreground"]
        with (self._own / "start.log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 (as above)
                [*command, "--debug-stdout"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def _wait_until_ready(self, address: str) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((address, self.port), 1):
                return
            Event().wait(_POLL_S)
        self._process.kill()
        self._process.wait()
        raise self._failed((self._own / "start.log").read_text(encoding="utf-8", errors="replace"))

    def _failed(self, log: str) -> SettingsError:
        last = log.strip().splitlines()[-1:] or ["it said nothing"]
        return SettingsError(
            f"Samba did not start: {last[0]}",
            hint=f"another program may use port {self.port}; or remove Samba, the lab does without",
        )


class StorageSamba(Samba):
    """One whose shares can be written to: volumes of a pool live there."""

    read_only: ClassVar = "no"


class HostSamba(Samba):
    """The drives of a lab host, shared as Windows shares them for administrators."""

    def _shared(self, folder: Path) -> Mapping[str, Path]:
        return {f"{drive.name}$": drive for drive in (folder / "files").iterdir()}


def _program(name: str) -> str | None:
    """Where a program is; the folders of an administrator's are not on every user's path."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES)))


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
