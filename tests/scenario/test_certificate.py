"""Hosts over HTTPS: who they are, and who we are, by certificate."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import serialization

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.session import AgentSession, EndPoint
from reconciler.agent_contract import AgentFunction
from reconciler.errors import HostError, HostRefusedError, HostUnreachableError, Retry
from reconciler.execute.outcome import Verdict
from reconciler.lab import processes
from reconciler.lab.certificates import PRINCIPAL, Certificates
from reconciler.lab.wire.auth import BY_CERTIFICATE
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine
from reconciler.lab.wire.tls import HostTls
from reconciler.model.names import HostName
from tests.lab_world import World

PASSWORD = "Passw0rd!"  # noqa: S105
HOST = {
    "ComputerName": "HV1",
    "OSBuild": 20_348,
    "AgentVersion": "1.0.0",
    "ContractVersion": 1,
    "LastBootUpTime": "2026-11-24T12:00:00+00:00",
    "ClusterName": "",
}


class HostBody:
    """Says who it is, whatever it is asked."""

    def invoke(
        self, function: AgentFunction, arguments: Mapping[str, object]
    ) -> Iterable[Mapping[str, object]]:
        del function, arguments
        yield HOST


@dataclass(frozen=True)
class Secured:
    """A host with certificates, and how to reach it with the right ones."""

    wire: WireHost
    files: Certificates
    end_point: EndPoint

    @property
    def by_password(self) -> EndPoint:
        return replace(
            self.end_point,
            certificate="",
            certificate_key="",
            authentication="ntlm",
            user="LAB\\svc",
        )


def certificates(folder: Path) -> Certificates:
    made = Certificates(folder)
    made.ensure()
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = certificates(tmp_path_factory.mktemp("lab"))
    made.issue_for_host("hv1", "127.0.0.1")
    return made


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Another authority, with a client of the same name."""
    return certificates(tmp_path_factory.mktemp("other"))


@pytest.fixture
def open_host(files: Certificates) -> Iterator[Callable[..., Secured]]:
    """A host that maps the given principals to its only account."""
    opened: list[WireHost] = []

    def make(*principals: str) -> Secured:
        wire = WireHost(
            "HV1", {"LAB\\svc": PASSWORD}, {"ReconcilerAgent": agent_engine(HostBody())}
        )
        opened.append(wire)
        accounts = dict.fromkeys(principals, "LAB\\svc")
        tls = HostTls(*files.of_host("hv1"), files.authority, accounts)
        end_point = EndPoint(
            host=HostName("hv1"),
            address="127.0.0.1",
            port=wire.listen(tls=tls),
            use_tls=True,
            authentication="certificate",
            user="",
            certificate_authorities=str(files.authority),
            certificate=str(files.client),
            certificate_key=str(files.client_key),
        )
        return Secured(wire, files, end_point)

    yield make
    for wire in opened:
        wire.close()


@pytest.fixture
def host(open_host: Callable[..., Secured]) -> Secured:
    return open_host(PRINCIPAL)


def ask(end_point: EndPoint, password: str = "") -> object:
    session = AgentSession(end_point, password)
    try:
        (answer,) = session.call(contract.GET_HOST, {}, deadline_s=20)
        return answer["ComputerName"]
    finally:
        session.close()


def refused(end_point: EndPoint, password: str = "") -> HostError:
    with pytest.raises(HostRefusedError) as caught:
        ask(end_point, password)
    assert caught.value.retry is Retry.OPERATOR
    return caught.value


def test_a_certificate_of_its_authority_that_is_mapped_is_let_in(host: Secured) -> None:
    assert ask(host.end_point) == "HV1"


def test_principals_are_compared_without_regard_to_case(
    open_host: Callable[..., Secured],
) -> None:
    assert ask(open_host(PRINCIPAL.upper()).end_point) == "HV1"


@pytest.mark.parametrize("authentication", ["ntlm", "negotiate"])
def test_a_password_is_taken_over_https_too(host: Secured, authentication: str) -> None:
    end_point = replace(host.by_password, authentication=authentication)

    assert ask(end_point, PASSWORD) == "HV1"
    assert r"did not let LAB\svc in" in refused(end_point, "another").message


def test_a_host_of_an_unknown_authority_is_refused_with_the_remedy(
    host: Secured, stranger: Certificates
) -> None:
    for authorities in (str(stranger.authority), ""):
        error = refused(replace(host.end_point, certificate_authorities=authorities))
        assert "is not trusted" in error.message
        assert "'trust'" in error.hint


def test_a_host_that_shows_the_certificate_of_another_place_is_refused(host: Secured) -> None:
    host.files.issue_for_host("elsewhere", "127.0.0.9")
    tls = HostTls(*host.files.of_host("elsewhere"), host.files.authority, {})
    error = refused(replace(host.end_point, port=host.wire.listen(tls=tls)))

    assert "another name" in error.message


def test_a_certificate_of_another_authority_is_refused(
    host: Secured, stranger: Certificates
) -> None:
    error = refused(
        replace(
            host.end_point,
            certificate=str(stranger.client),
            certificate_key=str(stranger.client_key),
        )
    )
    assert f"does not take the certificate {stranger.client}" in error.message
    assert "Root" in error.hint


def test_a_certificate_that_is_mapped_to_nobody_is_refused(
    open_host: Callable[..., Secured],
) -> None:
    error = refused(open_host("somebody@else").end_point)

    assert "to no account" in error.message
    assert "ClientCertificate" in error.hint


def test_a_key_of_another_certificate_is_told_apart(host: Secured, stranger: Certificates) -> None:
    error = refused(replace(host.end_point, certificate_key=str(stranger.client_key)))
    assert "belong together" in error.hint


def test_an_encrypted_key_is_opened_with_its_password(host: Secured, tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(host.files.client_key.read_bytes(), None)
    encrypted = tmp_path / "client.key"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"of the key"),
        )
    )
    end_point = replace(host.end_point, certificate_key=str(encrypted))

    assert ask(end_point, "of the key") == "HV1"
    for wrong in ("another", ""):
        error = refused(end_point, wrong)
        assert "belong together" in error.hint
        assert "another" not in error.message


def test_a_file_that_is_not_there_is_named(host: Secured, tmp_path: Path) -> None:
    missing = str(tmp_path / "gone.pem")
    for end_point in (
        replace(host.end_point, certificate_authorities=missing),
        replace(host.end_point, certificate=missing),
        replace(host.end_point, certificate_key=missing),
    ):
        error = refused(end_point)
        assert missing in error.message
        assert "'trust'" in error.hint


def test_http_on_the_port_of_https_says_where_it_was_asked(host: Secured) -> None:
    with pytest.raises(HostUnreachableError) as caught:
        ask(replace(host.by_password, use_tls=False), PASSWORD)
    assert "WinRM" in caught.value.hint


def test_https_on_the_port_of_http_is_refused_with_the_usual_port(host: Secured) -> None:
    error = refused(replace(host.end_point, port=host.wire.listen()))
    assert "5986" in error.hint


def test_a_claim_without_a_certificate_opens_nothing(host: Secured) -> None:
    claim = {"Authorization": BY_CERTIFICATE, "Content-Type": "application/soap+xml"}
    places = [f"http://127.0.0.1:{host.wire.listen()}", f"https://127.0.0.1:{host.end_point.port}"]
    for place in places:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{place}/wsman",
                data=b"<x/>",
                headers=claim,
                verify=str(host.files.authority),
                timeout=10,
            )
        assert answer.status_code == 401


def test_keys_can_be_read_by_their_owner_only(files: Certificates) -> None:
    keys = sorted(files.folder.glob("*.key"))

    assert {"authority.key", "client.key", "hv1.key"} <= {key.name for key in keys}
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_an_authority_that_is_there_stays(files: Certificates) -> None:
    before = files.authority.read_bytes()
    files.ensure()
    assert files.authority.read_bytes() == before


POLICY = """
schema: reconciler/v1
kind: HyperVHost
name: hv2
address: 127.0.0.1
port: {port}
tls: true
trust: {files.authority}
authentication: certificate
certificate: {files.client}
certificate_key: file:{files.client_key}
"""


def test_a_machine_is_backed_up_over_https(small_world: World) -> None:
    world = small_world.another("https")
    ports = {status.name: status.tls_port for status in processes.status(world.lab)}
    policy = POLICY.format(port=ports["hv2"], files=Certificates(world.lab))
    all_policies = world.policies / "all.yaml"
    _, _, others = all_policies.read_text().partition("---\n")
    all_policies.write_text(f"{policy.lstrip()}---\n{others}")
    shadow = world.shadow("https-shadow")
    _, (result,) = world.apply()

    assert result.verdict is Verdict.DONE
    assert world.differing("web-01", world.points("web-01")[-1], shadow) == []
    words = world.cli("lab", "status", "--folder", str(world.lab)).stdout
    assert f"HTTPS {ports['hv2']}" in words
