"""Ways of signing in that any installation has, right and wrong, from the command line too."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import spnego
from spnego.channel_bindings import GssChannelBindings

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.session import AgentSession, EndPoint
from reconciler.agent_contract import AgentFunction
from reconciler.errors import HostRefusedError
from reconciler.lab.certificates import Certificates
from reconciler.lab.wire import auth
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine
from reconciler.lab.wire.tls import HostTls
from reconciler.model.names import HostName
from tests.lab_world import World

ACCOUNT = "LAB\\svc"
PASSWORD = "Passw0rd!"  # noqa: S105
WITHOUT_THE_EXTRA = "import sys; sys.modules.update(gssapi=None, krb5=None)"


class WhoBody:
    """Says who it is, whatever it is asked."""

    def invoke(
        self, function: AgentFunction, arguments: Mapping[str, object]
    ) -> Iterable[Mapping[str, object]]:
        del function, arguments
        yield {
            "ComputerName": "HV1",
            "OSBuild": 20_348,
            "AgentVersion": "1.0.0",
            "ContractVersion": 2,
            "LastBootUpTime": "2026-11-24T12:00:00+00:00",
            "ClusterName": "",
        }


@dataclass(frozen=True)
class Place:
    """A host with a certificate of its own."""

    host: WireHost
    files: Certificates

    def at(self, authentication: str, tls: HostTls | None = None) -> EndPoint:
        return EndPoint(
            host=HostName("hv1"),
            address="127.0.0.1",
            port=self.host.listen(tls=tls),
            use_tls=tls is not None,
            authentication=authentication,
            user=ACCOUNT,
            certificate_authorities=str(self.files.authority),
        )

    def tls(self) -> HostTls:
        return HostTls(*self.files.of_host("hv1"), self.files.authority, {})


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    files = Certificates(tmp_path)
    files.ensure()
    files.issue_for_host("hv1", "127.0.0.1")
    host = WireHost("HV1", {ACCOUNT: PASSWORD}, {"ReconcilerAgent": agent_engine(WhoBody())})
    yield Place(host, files)
    host.close()


def ask(end_point: EndPoint, password: str = PASSWORD) -> object:
    session = AgentSession(end_point, password)
    try:
        (answer,) = session.call(contract.GET_HOST, {}, deadline_s=20)
        return answer["ComputerName"]
    finally:
        session.close()


@pytest.mark.parametrize("authentication", ["ntlm", "negotiate"])
def test_over_http_messages_are_encrypted(
    authentication: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []
    unsealed = auth.unsealed

    def noting(context: spnego.ContextProxy, body: bytes) -> bytes:
        bodies.append(body)
        return unsealed(context, body)

    monkeypatch.setattr(auth, "unsealed", noting)

    assert ask(place.at(authentication)) == "HV1"
    assert len(bodies) > 1
    assert not any(b"Envelope" in body for body in bodies)


@pytest.mark.parametrize("authentication", ["ntlm", "negotiate"])
def test_over_https_a_login_meant_for_another_certificate_is_refused(
    authentication: str, place: Place
) -> None:
    right, wrong = place.tls(), place.tls()
    wrong.bindings = GssChannelBindings(application_data=b"tls-server-end-point:" + bytes(32))

    assert ask(place.at(authentication, right)) == "HV1"
    with pytest.raises(HostRefusedError, match=r"did not let LAB.svc in"):
        ask(place.at(authentication, wrong))


@pytest.mark.parametrize("authentication", ["ntlm", "negotiate"])
@pytest.mark.parametrize(
    ("user", "password"), [(ACCOUNT, "another"), ("LAB\\nobody", PASSWORD), ("svc", PASSWORD)]
)
def test_whoever_is_wrong_is_refused_with_where_to_look(
    authentication: str, user: str, password: str, place: Place
) -> None:
    with pytest.raises(HostRefusedError) as caught:
        ask(replace(place.at(authentication), user=user), password)

    assert f"did not let {user} in" in caught.value.message
    assert "winrm get winrm/config/service/auth" in caught.value.hint
    assert password not in caught.value.message + caught.value.hint


def test_kerberos_without_the_extra_says_what_to_install(small_world: World) -> None:
    world = small_world.another("no-extra")
    file = world.policies / "all.yaml"
    file.write_text(file.read_text().replace("authentication: ntlm", "authentication: kerberos"))
    file.write_text(file.read_text().replace("LAB\\reconciler", "reconciler@LAB.TEST"))
    process = world.cli_started("plan", before=WITHOUT_THE_EXTRA)
    _, log = process.communicate(timeout=120)

    assert "needs the extra 'kerberos', which is not installed here" in log
    assert "Traceback" not in log


def test_negotiate_without_the_extra_is_ntlm(small_world: World) -> None:
    world = small_world.another("no-extra-negotiate")
    file = world.policies / "all.yaml"
    file.write_text(file.read_text().replace("authentication: ntlm", "authentication: negotiate"))
    process = world.cli_started("plan", before=WITHOUT_THE_EXTRA)
    _, log = process.communicate(timeout=120)

    assert process.returncode == 0
    assert "host.answered" in log
