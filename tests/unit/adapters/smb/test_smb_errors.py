"""What a file server does wrong, in our words."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from smbprotocol import exceptions as smb  # type: ignore[import-untyped]

from reconciler.adapters.smb import session
from reconciler.adapters.smb.errors import (
    CannotConnectError,
    LoginFailedError,
    SmbErrors,
    is_lost,
)
from reconciler.adapters.smb.files import SmbFiles
from reconciler.adapters.smb.session import SmbServer
from reconciler.errors import (
    DiskUnreadableError,
    HostError,
    HostRefusedError,
    HostUnreachableError,
    Retry,
)
from reconciler.model.ranges import ByteRange

DISK = r"\\fs1\vms\disk.vhdx"
ERRORS = SmbErrors("fs1", "10.0.0.9:445", r"CORP\svc")


def answered(kind: type[smb.SMBResponseException]) -> Exception:
    """An answer with a status, as smbprotocol raises it."""
    status = SimpleNamespace(get_value=lambda: kind._STATUS_CODE)  # noqa: SLF001
    error: Exception = smb.SMBResponseException({"status": status})
    assert kind in type(error).__mro__
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (LoginFailedError("status 0xc000006d"), HostRefusedError, r"did not let CORP\svc in"),
        (CannotConnectError("refused"), HostUnreachableError, "cannot be reached: refused"),
        (TimeoutError(), HostUnreachableError, "did not answer in time"),
        (smb.SMBConnectionClosed(), HostUnreachableError, "cut the connection"),
        (ConnectionResetError(), HostUnreachableError, "cut the connection"),
        (answered(smb.AccessDenied), HostRefusedError, r"denies CORP\svc to read"),
        (answered(smb.ObjectNameNotFound), DiskUnreadableError, "is not there"),
        (answered(smb.BadNetworkName), DiskUnreadableError, "is not there"),
        (answered(smb.EndOfFile), DiskUnreadableError, "ends too early"),
        (answered(smb.SharingViolation), DiskUnreadableError, "is in use"),
        (answered(smb.PathNotCovered), DiskUnreadableError, "DFS"),
        (answered(smb.InsufficientResources), HostUnreachableError, "has no room"),
        (answered(smb.UserSessionDeleted), HostUnreachableError, "ended our session"),
        (answered(smb.InvalidParameter), DiskUnreadableError, "status 0xc000000d"),
        (smb.SMBException("a signature\ndoes not match"), HostRefusedError, "not understood"),
        (KeyError("x"), HostRefusedError, "not understood: KeyError"),
    ],
)
def test_everything_that_goes_wrong_is_an_error_of_ours(
    error: Exception, kind: type[HostError], words: str
) -> None:
    found = ERRORS.translated(error, DISK)

    assert type(found) is kind
    assert words in found.message
    assert "fs1 (10.0.0.9:445)" in found.message
    assert "\n" not in found.message
    assert found.hint


def test_a_wrong_password_waits_for_a_person_and_a_dead_server_does_not() -> None:
    assert ERRORS.translated(LoginFailedError(), DISK).retry is Retry.OPERATOR
    assert ERRORS.translated(TimeoutError(), DISK).retry is Retry.LATER


def test_only_a_session_that_is_gone_is_worth_a_new_one() -> None:
    assert is_lost(smb.SMBConnectionClosed())
    assert is_lost(ConnectionResetError())
    assert is_lost(answered(smb.UserSessionDeleted))
    assert not is_lost(TimeoutError())
    assert not is_lost(answered(smb.AccessDenied))
    assert not is_lost(smb.SMBException())


# --- over a socket


@contextmanager
def listening(answer: Callable[[socket.socket], object]) -> Iterator[SmbServer]:
    """A server that is none."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield SmbServer("fs1", "127.0.0.1", server.getsockname()[1], "svc")
        thread.join(10)


def read(server: SmbServer) -> None:
    files = SmbFiles(server, "a password")
    try:
        files.open(DISK).read([ByteRange(0, 1)])
    finally:
        files.close()


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CONNECT_S", 1)
    with (
        listening(lambda connection: connection.recv(1 << 16) and connection.recv(1)) as server,
        pytest.raises(HostUnreachableError, match="cannot be reached"),
    ):
        read(server)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another protocol"),
        pytest.param(b"\0\0\0\x04junk", id="a short message"),
        pytest.param(b"\0\0\0\x44\xfeSMB" + bytes(64), id="an empty message"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_server_of_another_kind_is_an_error_of_ours(
    garbage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CONNECT_S", 2)

    def answer(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(garbage)

    with listening(answer) as server, pytest.raises((HostUnreachableError, HostRefusedError)):
        read(server)


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(HostUnreachableError) as caught:
        read(SmbServer("fs1", "127.0.0.1", port, "svc"))
    assert f"127.0.0.1:{port}" in caught.value.hint


def test_a_password_does_not_show_in_what_is_logged() -> None:
    assert "a password" not in repr(SmbFiles(SmbServer("fs1", "h", 445, "svc"), "a password"))
