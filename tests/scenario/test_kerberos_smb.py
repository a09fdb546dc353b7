"""Disks over SMB with Kerberos: a real KDC and a real Samba with a keytab."""

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.adapters.smb.files import SmbFiles
from reconciler.adapters.smb.session import SmbServer
from reconciler.errors import HostRefusedError, HostUnreachableError
from reconciler.lab.file_server import create_file_server
from reconciler.lab.samba import Samba, is_installed
from reconciler.model.ranges import ByteRange
from tests.kerberos_realm import REALM, Realm

PASSWORD = "Passw0rd!"  # noqa: S105
USER = getpass.getuser()
"""A stand-alone Samba takes a ticket of somebody whom its system knows, too."""
DISK = "\\\\files1\\vms\\disk.vhdx"
CONTENT = bytes(range(256)) * (1 << 13)
_KERBEROS = """\
[global]
realm = {realm}
kerberos method = dedicated keytab
dedicated keytab file = FILE:{keytab}
gensec:require_pac = no
"""


class KerberosSamba(Samba):
    """One that has a key for its name."""

    def __init__(self, folder: Path, keytab: Path) -> None:
        self._keytab = keytab
        super().__init__(folder, "127.0.0.1", 0, ("svc", PASSWORD))

    def _write(self, folder: Path, address: str, account: str) -> None:
        super()._write(folder, address, account)
        text = self._configuration.read_text()
        own = _KERBEROS.format(realm=REALM, keytab=self._keytab)
        self._configuration.write_text(text.replace("[global]\n", own, 1))


@pytest.fixture(scope="module")
def port(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if not is_installed():
        pytest.skip("Samba is not installed")
    folder = tmp_path_factory.mktemp("lab") / "files1"
    create_file_server(folder)
    (folder / "vms").mkdir()
    (folder / "vms" / "disk.vhdx").write_bytes(CONTENT)
    realm.add_user(USER, PASSWORD)
    keytab = realm.keytab(realm.folder / "files1.keytab", "cifs/files1")
    with pytest.MonkeyPatch.context() as environment:
        for key, value in realm.environment.items():
            environment.setenv(key, value)
        samba = KerberosSamba(folder, keytab)
    yield samba.port
    samba.close()


@pytest.fixture(autouse=True)
def _in_realm(realm: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key, value in realm.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/nothing")


def read(
    port: int,
    user: str,
    password: str,
    *,
    authentication: str = "kerberos",
    name: str = "files1",
    is_encrypted: bool = False,
) -> bytes:
    server = SmbServer(
        name,
        "127.0.0.1",
        port,
        user,
        authentication=authentication,
        prefers_encryption=is_encrypted,
    )
    files = SmbFiles(server, password)
    try:
        (piece,) = files.open(DISK).read([ByteRange(0, len(CONTENT))])
        return bytes(piece)
    finally:
        files.close()


@pytest.mark.parametrize("is_encrypted", [False, True])
@pytest.mark.parametrize("authentication", ["kerberos", "negotiate"])
def test_a_disk_is_read_with_user_and_password(
    port: int,
    authentication: str,
    is_encrypted: bool,  # noqa: FBT001
) -> None:
    user = f"{USER}@{REALM}"
    found = read(port, user, PASSWORD, authentication=authentication, is_encrypted=is_encrypted)
    assert found == CONTENT


def test_a_disk_is_read_with_a_ticket(
    port: int, realm: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = realm.kinit(tmp_path / "cache", USER, PASSWORD)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
    assert read(port, "", "") == CONTENT


@pytest.mark.parametrize(
    ("user", "password", "name", "says", "hint"),
    [
        (f"{USER}@{REALM}", "another", "files1", "Preauthentication failed", "check the password"),
        (f"nobody@{REALM}", PASSWORD, "files1", "not found", "name@REALM"),
        (f"{USER}@{REALM}", PASSWORD, "files2", "cifs/files2", "full name"),
        ("", "", "files1", "No Kerberos credentials", "kinit"),
    ],
)
def test_each_failure_has_its_next_step(
    user: str, password: str, name: str, says: str, hint: str, port: int
) -> None:
    with pytest.raises(HostRefusedError) as caught:
        read(port, user, password, name=name)

    assert says in caught.value.message
    assert hint in caught.value.hint


def test_without_a_kdc_it_may_work_later(port: int) -> None:
    with pytest.raises(HostUnreachableError, match="KDC"):
        read(port, "svc@FAR.TEST", PASSWORD)
