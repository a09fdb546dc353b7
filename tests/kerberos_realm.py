"""A Kerberos realm of its own for a test: a real KDC on a free port, all it writes in one folder.

Nothing of it needs a right that the user who runs the tests lacks, and nothing outlives them.
"""

import importlib.util
import os
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server_processes import Process, free_port

REALM = "LAB.TEST"
START_S = 30.0
_PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit", "klist", "kvno")
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
_OFFSET_AT = 8
"""Where a cache of tickets keeps how wrong this computer's clock is, in seconds.

Source: the krb5 manual's "Credential cache file format", version 4, header field 1.
"""
_CONFIGURATION = """\
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
[realms]
{realm} = {{
  kdc = 127.0.0.1:{port}
}}
FAR.TEST = {{
  kdc = 127.0.0.1:{nobody}
}}
[domain_realm]
localhost = {realm}
"""
# A stand-alone Samba takes no ticket that says what a domain knows about its owner.
_KDC = """\
[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{realm} = {{
  database_name = {folder}/principals
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
  disable_pac = true
}}
"""


def why_not() -> str:
    """What is missing here for Kerberos; empty when nothing is."""
    if any(importlib.util.find_spec(name) is None for name in ("gssapi", "krb5")):
        return "no Kerberos: the extra 'kerberos' is not installed"
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
    return f"no Kerberos: no {missing[0]}" if missing else ""


class Realm:
    """One KDC with its principals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.nobody = free_port()
        self.environment = {
            "KRB5_CONFIG": str(folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
            "KRB5RCACHEDIR": str(folder),
        }
        words = {"realm": REALM, "port": self.port, "nobody": self.nobody, "folder": folder}
        (folder / "krb5.conf").write_text(_CONFIGURATION.format(**words))
        (folder / "kdc.conf").write_text(_KDC.format(**words))
        self.run("kdb5_util", "create", "-s", "-W", "-P", "of the database", "-r", REALM)
        self._process = self._started()

    def close(self) -> None:
        """End the KDC."""
        self._process.close()

    def add_user(self, name: str, password: str) -> None:
        """Somebody with a password."""
        self._kadmin(f"addprinc -pw {password} +requires_preauth {name}")

    def change(self, name: str, words: str) -> None:
        """Change a principal, as kadmin's modprinc says it."""
        self._kadmin(f"modprinc {words} {name}")

    def keytab(self, path: Path, *names: str) -> Path:
        """Keys of services, or of users, made anew."""
        for name in names:
            self._kadmin(f"addprinc -randkey {name}", may_fail=True)
            self._kadmin(f"ktadd -k {path} {name}")
        return path

    def kinit(self, cache: Path, name: str, password: str, *words: str) -> Path:
        """A ticket in a cache of its own, as a person gets one."""
        self.run("kinit", *words, "-c", f"FILE:{cache}", name, said=f"{password}\n")
        return cache

    def ask_for_ticket(self, cache: Path, service: str) -> None:
        """Put a ticket for a service into a cache."""
        self.run("kvno", "-c", f"FILE:{cache}", service)

    def await_expiry(self, cache: Path) -> None:
        """Wait until no ticket of a cache is good any more."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.run("klist", "-s", "-c", f"FILE:{cache}", may_fail=True):
                return
            threading.Event().wait(0.1)
        raise AssertionError("the ticket does not expire")

    def run(self, program: str, *words: str, said: str = "", may_fail: bool = False) -> int:
        """One program of krb5; its exit code."""
        done = subprocess.run(
            [shutil.which(program, path=_PATH) or program, *words],
            input=said,
            env={**os.environ, **self.environment, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and not may_fail:
            raise AssertionError(f"{program} {words}: {done.stdout} {done.stderr}")
        return done.returncode

    def _kadmin(self, command: str, *, may_fail: bool = False) -> None:
        self.run("kadmin.local", "-r", REALM, "-q", command, may_fail=may_fail)

    def _started(self) -> Process:
        log = self.folder / "kdc.log"
        command = ["env", *(f"{k}={v}" for k, v in self.environment.items())]
        command += [shutil.which("krb5kdc", path=_PATH) or "krb5kdc", "-n", "-r", REALM]
        process = Process(*command, log=log)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if "starting" in log.read_text(errors="replace"):
                return process
            threading.Event().wait(0.05)
        process.close()
        raise AssertionError(f"the KDC did not start: {log.read_text(errors='replace')}")


def set_clock_back(cache: Path, seconds: int) -> None:
    """Let whoever uses a cache believe that it is earlier."""
    content = bytearray(cache.read_bytes())
    assert content[:_OFFSET_AT] == b"\x05\x04\x00\x0c\x00\x01\x00\x08"
    struct.pack_into(">i", content, _OFFSET_AT, -seconds)
    cache.write_bytes(content)


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """A realm with a KDC, for the tests of one module."""
    if reason := why_not():
        pytest.skip(reason)
    made = Realm(tmp_path_factory.mktemp("realm"))
    yield made
    made.close()
