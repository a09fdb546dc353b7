"""From policies to sessions, as far as nothing is connected to."""

from pathlib import Path

import pytest

from reconciler.errors import HostRefusedError, HostUnreachableError, SettingsError
from reconciler.model.names import HostName
from reconciler.policy.parse import parse_set
from reconciler.policy.policy_set import PolicySet
from reconciler.sessions import open_host

HV1 = HostName("hv1")
HOST = """
schema: reconciler/v1
kind: HyperVHost
name: hv1
address: 127.0.0.1
"""
BY_CERTIFICATE = """
tls: true
authentication: certificate
trust: {folder}/authority.pem
certificate: {folder}/client.pem
certificate_key: file:{folder}/client.key
"""
SERVER = """
---
schema: reconciler/v1
kind: FileServer
name: files
address: 127.0.0.1
unc_name: FS1
user: svc
password: {reference}
"""
FILES = ("authority.pem", "client.pem", "client.key")


def policies(text: str) -> PolicySet:
    parsed = parse_set({"all.yaml": text.lstrip().encode()}, {})
    assert not parsed.errors, [error.render() for error in parsed.errors]
    return parsed.policies


@pytest.fixture
def by_certificate(tmp_path: Path) -> str:
    for name in FILES:
        (tmp_path / name).write_text("not looked into before the first call")
    return HOST + BY_CERTIFICATE.format(folder=tmp_path).lstrip()


def test_opening_a_session_connects_to_nothing(by_certificate: str) -> None:
    open_host(policies(by_certificate), HV1).close()


def test_a_host_that_no_policy_describes_any_more_is_unreachable() -> None:
    with pytest.raises(HostUnreachableError) as caught:
        open_host(PolicySet(), HV1)
    assert "hv1" in caught.value.hint


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_certificates_that_is_not_there_is_named(
    by_certificate: str, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).unlink()
    with pytest.raises(SettingsError) as caught:
        open_host(policies(by_certificate), HV1)
    assert str(tmp_path / name) in caught.value.message
    assert "hv1" in caught.value.message


def test_a_key_has_to_be_in_a_file(by_certificate: str, tmp_path: Path) -> None:
    text = by_certificate.replace(f"file:{tmp_path}/client.key", "env:KEY")
    with pytest.raises(SettingsError, match="'certificate_key' of the host hv1 names no file"):
        open_host(policies(text), HV1)


@pytest.mark.parametrize("through", ["smb", "agent"])
def test_a_file_server_is_known_by_what_paths_call_it(
    monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    monkeypatch.setenv("PASSWORD", "a password")
    server = SERVER.format(reference="env:PASSWORD") + f"through: {through}\n"
    host = open_host(policies(HOST + "user: u\npassword: env:PASSWORD" + server), HV1)

    assert "a password" not in repr(host.open(r"\\fs1\vms\disk.vhdx"))
    with pytest.raises(HostRefusedError, match="no policy describes the file server files"):
        host.open(r"\\files\vms\disk.vhdx")
    host.close()


def test_the_secret_of_a_file_server_is_needed_when_a_disk_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PASSWORD", "a password")
    server = SERVER.format(reference="env:NOWHERE")
    host = open_host(policies(HOST + "user: u\npassword: env:PASSWORD" + server), HV1)
    host.open(r"C:\VMs\disk.vhdx")

    with pytest.raises(SettingsError, match="env:NOWHERE"):
        host.open(r"\\FS1\vms\disk.vhdx")
    host.close()
