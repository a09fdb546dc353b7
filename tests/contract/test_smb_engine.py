"""The READ engine against a real Samba: protected both ways, lossy links, servers that die."""

import hashlib
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from smbprotocol import Dialects  # type: ignore[import-untyped]
from smbprotocol.connection import (  # type: ignore[import-untyped]
    Ciphers,
    SigningAlgorithms,
)

from reconciler.adapters.smb import files as smb_files
from reconciler.adapters.smb import pumped
from reconciler.adapters.smb.engine import Engine
from reconciler.adapters.smb.files import SmbFiles
from reconciler.adapters.smb.messages import OpenedFile
from reconciler.adapters.smb.pumped import PumpedConnection
from reconciler.adapters.smb.session import SmbServer, SmbSession
from reconciler.errors import DiskUnreadableError, HostRefusedError, HostUnreachableError
from reconciler.lab.file_server import create_file_server
from reconciler.lab.samba import Samba, is_installed
from reconciler.model.ranges import ByteRange
from reconciler.model.unc import UncPath
from tests.tcp_proxy import TcpProxy

pytest_plugins = ["tests.tcp_proxy"]
pytestmark = pytest.mark.skipif(not is_installed(), reason="Samba is not installed")

PASSWORD = "a password"  # noqa: S105
DISK = "\\\\files1\\vms\\disk.vhdx"
SIZE = 24 << 20
MIB = 1 << 20
DATA = hashlib.shake_128(b"disk").digest(SIZE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lab") / "files1"
    create_file_server(made)
    (made / "vms").mkdir()
    (made / "vms" / "disk.vhdx").write_bytes(DATA)
    return made


@pytest.fixture(scope="module")
def samba(folder: Path) -> Iterator[Samba]:
    served = Samba(folder, "127.0.0.1", 0, ("svc", PASSWORD))
    yield served
    served.close()


@pytest.fixture
def proxy(samba: Samba, proxy_to: Callable[[tuple[str, int]], TcpProxy]) -> TcpProxy:
    return proxy_to(("127.0.0.1", samba.port))


def server_at(port: int, *, encrypts: bool = False) -> SmbServer:
    return SmbServer("files1", "127.0.0.1", port, "LAB\\svc", prefers_encryption=encrypts)


@pytest.fixture(params=[False, True], ids=["signed", "encrypted"])
def encrypts(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_sequential_and_scattered_reads_are_the_file(samba: Samba, encrypts: bool) -> None:  # noqa: FBT001
    files = SmbFiles(server_at(samba.port, encrypts=encrypts), PASSWORD)
    file = files.open(DISK)
    numbers = struct.iter_unpack("<IH", hashlib.shake_128(b"places").digest(300 * 6))
    places = [(at % (SIZE - (1 << 16)), length) for at, length in numbers]
    scattered = [ByteRange(at, at + length + 1) for at, length in places]
    try:
        assert file.read([ByteRange(0, SIZE)]) == [DATA]
        assert file.read(scattered) == [DATA[this.start : this.end] for this in scattered]
    finally:
        files.close()


@pytest.mark.parametrize(
    ("agreed", "is_encrypted"),
    [
        ({"preferred_signing_algos": [SigningAlgorithms.AES_CMAC]}, False),
        ({"dialect": Dialects.SMB_3_0_2}, False),
        ({"dialect": Dialects.SMB_3_0_2}, True),
        ({"preferred_encryption_algos": [Ciphers.AES_128_CCM]}, True),
        ({"preferred_encryption_algos": [Ciphers.AES_256_GCM]}, True),
        ({"preferred_encryption_algos": [Ciphers.AES_256_CCM]}, True),
    ],
    ids=["CMAC", "3.0.2 signed", "3.0.2 encrypted", "CCM", "GCM of 256 bits", "CCM of 256 bits"],
)
def test_every_way_to_protect_a_connection_is_spoken(
    samba: Samba,
    monkeypatch: pytest.MonkeyPatch,
    agreed: dict[str, Any],
    is_encrypted: bool,  # noqa: FBT001
) -> None:
    usual = PumpedConnection.connect
    monkeypatch.setattr(
        PumpedConnection, "connect", lambda it, timeout: usual(it, timeout=timeout, **agreed)
    )
    files = SmbFiles(server_at(samba.port, encrypts=is_encrypted), PASSWORD)
    try:
        assert files.open(DISK).read([ByteRange(5, 3 * MIB)]) == [DATA[5 : 3 * MIB]]
    finally:
        files.close()


def test_what_is_encrypted_cannot_be_seen_on_the_way(
    samba: Samba,
    proxy_to: Callable[[tuple[str, int]], TcpProxy],
    encrypts: bool,  # noqa: FBT001
) -> None:
    seen = bytearray()

    class Ear(TcpProxy):
        def _passed(self, data: bytes) -> bytes:
            seen.extend(data)
            return super()._passed(data)

    ear = Ear(("127.0.0.1", samba.port))
    files = SmbFiles(server_at(ear.port, encrypts=encrypts), PASSWORD)
    files.open(DISK).read([ByteRange(0, MIB)])
    files.close()
    ear.close()

    assert (DATA[4096:8192] in seen) is not encrypts


def test_an_answer_that_was_changed_on_the_way_is_not_believed(
    samba: Samba,
    encrypts: bool,  # noqa: FBT001
) -> None:
    class Liar(TcpProxy):
        def _passed(self, data: bytes) -> bytes:
            changed = bytearray(data)
            if len(data) > 60_000:
                changed[30_000] ^= 1
            return super()._passed(bytes(changed))

    liar = Liar(("127.0.0.1", samba.port))
    files = SmbFiles(server_at(liar.port, encrypts=encrypts), PASSWORD)
    try:
        with pytest.raises(HostRefusedError, match="ForgedAnswerError"):
            files.open(DISK).read([ByteRange(0, 4 * MIB)])
    finally:
        files.close()
        liar.close()


def test_reading_goes_on_where_it_was_when_the_way_is_cut(samba: Samba) -> None:
    """Each connection is cut after some megabytes; what has come is not asked for again."""
    passed = 0

    class Short(TcpProxy):
        """Cuts each connection after so much."""

        def _pump(self, source, sink, *, is_answer=True) -> None:  # type: ignore[no-untyped-def]
            if is_answer:
                self.bytes_until_cut = 9 * MIB
            super()._pump(source, sink, is_answer=is_answer)

        def _passed(self, data: bytes) -> bytes:
            nonlocal passed
            sent = super()._passed(data)
            passed += len(sent)
            return sent

    short = Short(("127.0.0.1", samba.port))
    files = SmbFiles(server_at(short.port), PASSWORD)
    try:
        assert files.open(DISK).read([ByteRange(0, SIZE)]) == [DATA]
    finally:
        files.close()
        short.close()

    assert SIZE < passed < 2 * SIZE, "all that had come was asked for again"


def test_a_file_that_was_changed_while_its_server_was_away_is_not_mixed(
    samba: Samba, folder: Path
) -> None:
    disk = folder / "vms" / "changed.vhdx"
    disk.write_bytes(DATA)

    class Changing(TcpProxy):
        cuts = 0

        def _pump(self, source, sink, *, is_answer=True) -> None:  # type: ignore[no-untyped-def]
            if is_answer:
                self.bytes_until_cut = 9 * MIB
                if self.cuts:
                    disk.write_bytes(DATA[::-1])
                self.cuts += 1
            super()._pump(source, sink, is_answer=is_answer)

    changing = Changing(("127.0.0.1", samba.port))
    files = SmbFiles(server_at(changing.port), PASSWORD)
    try:
        with pytest.raises(DiskUnreadableError, match="was changed while it was read"):
            files.open("\\\\files1\\vms\\changed.vhdx").read([ByteRange(0, SIZE)])
    finally:
        files.close()
        changing.close()


def test_a_server_that_is_killed_and_comes_back_in_the_middle_is_read_on(folder: Path) -> None:
    first = Samba(folder, "127.0.0.1", 0, ("svc", PASSWORD))
    restarted: list[Samba] = []

    class Killing(TcpProxy):
        """After some megabytes, ends the server and starts it anew."""

        count = 0

        def _passed(self, data: bytes) -> bytes:
            self.count += len(data)
            if self.count > 5 * MIB and not restarted:
                first.close()
                restarted.append(Samba(folder, "127.0.0.1", first.port, ("svc", PASSWORD)))
            return super()._passed(data)

    between = Killing(("127.0.0.1", first.port))
    files = SmbFiles(server_at(between.port), PASSWORD)
    try:
        assert files.open(DISK).read([ByteRange(0, SIZE)]) == [DATA]
        assert restarted
    finally:
        files.close()
        between.close()
        for again in restarted:
            again.close()


def test_a_slow_link_is_no_reason_to_give_up(proxy: TcpProxy) -> None:
    proxy.delay(0.02)
    files = SmbFiles(server_at(proxy.port), PASSWORD)
    try:
        assert files.open(DISK).read([ByteRange(0, MIB)]) == [DATA[:MIB]]
    finally:
        proxy.restore()
        files.close()


def test_a_link_that_loses_everything_is_given_up_and_healed_later(
    proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumped, "ANSWER_S", 1)
    monkeypatch.setattr(smb_files, "RETRY_WAITS_S", ())
    files = SmbFiles(server_at(proxy.port), PASSWORD)
    file = files.open(DISK)
    file.read([ByteRange(0, 512)])
    proxy.lose()
    with pytest.raises(HostUnreachableError, match="did not answer in time"):
        file.read([ByteRange(0, MIB)])
    proxy.restore()

    assert file.read([ByteRange(0, MIB)]) == [DATA[:MIB]]
    files.close()


def test_reads_wait_for_credits(samba: Samba) -> None:
    """With next to none granted, requests go one after the other, and every byte comes."""
    session = SmbSession(server_at(samba.port), PASSWORD)
    connection = session._connection  # noqa: SLF001 (what is granted stands nowhere else)
    engine = Engine(connection, session.tree("vms"), MIB)
    file: OpenedFile = engine.open("disk.vhdx")
    window = connection.sequence_window
    window["low"] += max(0, window["high"] - window["low"] - 17)
    reads = [ByteRange(at, at + MIB) for at in range(0, SIZE, MIB)]
    try:
        assert b"".join(map(bytes, engine.read(file.file_id, reads))) == DATA
    finally:
        session.cut()


def test_a_server_that_grants_little_is_read_in_smaller_pieces(
    samba: Samba, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where three credits are all there are, a megabyte cannot be asked for at once."""
    granted = Engine._granted  # noqa: SLF001 (as above)
    monkeypatch.setattr(Engine, "_granted", lambda engine: min(3, granted(engine)))
    files = SmbFiles(server_at(samba.port), PASSWORD)
    try:
        assert files.open(DISK).read([ByteRange(0, SIZE)]) == [DATA]
    finally:
        files.close()


def test_a_file_is_closed_once_its_block_has_ended(samba: Samba) -> None:
    session = SmbSession(server_at(samba.port), PASSWORD)
    place = UncPath("files1", "vms", "disk.vhdx")
    for _ in range(1500):  # more than a session may have open, were they not closed
        with session.opened(place) as file:
            assert file.size == SIZE
    session.close()
