"""Signing in with Kerberos: a real KDC, the product's client, and a lab host as the acceptor."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import spnego
from spnego.channel_bindings import GssChannelBindings

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.session import AgentSession, EndPoint
from reconciler.agent_contract import AgentFunction
from reconciler.errors import HostError, HostRefusedError, HostUnreachableError
from reconciler.execute.outcome import Verdict
from reconciler.lab.certificates import Certificates
from reconciler.lab.definition import WEB_01, HostDefinition, LabDefinition
from reconciler.lab.wire import auth
from reconciler.lab.wire.host import WireHost
from reconciler.lab.wire.psrp import agent_engine
from reconciler.lab.wire.tls import HostTls
from reconciler.model.names import HostName
from tests.kerberos_realm import REALM, Realm, set_clock_back
from tests.lab_world import World, new_world

PASSWORD = "Passw0rd!"  # noqa: S105
WRONG = "another password"
SVC = f"svc@{REALM}"
SERVICE = "host/localhost"
ACCOUNT = "LAB\\svc"
QUARTER_OF_AN_HOUR = 900


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
    """A host that takes tickets of the realm, and what was seen there."""

    realm: Realm
    host: WireHost
    end_point: EndPoint
    seen: list[tuple[str, str, bool]]
    """Of each login: the way, the account, and whether the channel was bound."""
    environment: pytest.MonkeyPatch

    def use(self, cache: Path) -> None:
        """Let this process have the tickets of a cache."""
        self.environment.setenv("KRB5CCNAME", f"FILE:{cache}")


@pytest.fixture(scope="module")
def peopled(realm: Realm) -> Realm:
    """The realm, with somebody and a host in it."""
    realm.add_user("svc", PASSWORD)
    realm.keytab(realm.folder / "host.keytab", SERVICE)
    return realm


@pytest.fixture
def place(peopled: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    for key, value in peopled.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("KRB5_KTNAME", str(peopled.folder / "host.keytab"))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/nothing")
    monkeypatch.delenv("KRB5_CLIENT_KTNAME", raising=False)
    seen: list[tuple[str, str, bool]] = []
    account_of = auth.NtlmUsers.account_of

    def noting(users: auth.NtlmUsers, context: spnego.ContextProxy) -> str:
        account = account_of(users, context)
        way = context.negotiated_protocol or ""
        seen.append((way, account, context.channel_bindings is not None))
        return account

    monkeypatch.setattr(auth.NtlmUsers, "account_of", noting)
    users = {ACCOUNT: PASSWORD}
    host = WireHost("HV1", users, {"ReconcilerAgent": agent_engine(WhoBody())})
    end_point = EndPoint(
        host=HostName("hv1"),
        address="localhost",
        port=host.listen(),
        use_tls=False,
        authentication="kerberos",
        user="",
    )
    yield Place(peopled, host, end_point, seen, monkeypatch)
    host.close()


def ask(end_point: EndPoint, password: str = "") -> object:
    session = AgentSession(end_point, password)
    try:
        return answer_of(session)
    finally:
        session.close()


def answer_of(session: AgentSession) -> object:
    (answer,) = session.call(contract.GET_HOST, {}, deadline_s=20)
    return answer["ComputerName"]


def refused(end_point: EndPoint, password: str = "") -> HostError:
    with pytest.raises(HostRefusedError) as caught:
        ask(end_point, password)
    return caught.value


# --- three ways to a ticket


def test_a_ticket_of_kinit_is_enough(place: Place, tmp_path: Path) -> None:
    place.use(place.realm.kinit(tmp_path / "cache", "svc", PASSWORD))

    assert ask(place.end_point) == "HV1"
    assert place.seen == [("kerberos", ACCOUNT, False)]


@pytest.mark.parametrize("user", ["svc", SVC])
def test_a_user_with_a_password_gets_a_ticket(user: str, place: Place) -> None:
    assert ask(replace(place.end_point, user=user), PASSWORD) == "HV1"
    assert place.seen == [("kerberos", ACCOUNT, False)]


def test_a_keytab_of_this_process_gets_a_ticket(place: Place, tmp_path: Path) -> None:
    place.realm.add_user("robot", PASSWORD)
    keytab = place.realm.keytab(tmp_path / "client.keytab", "robot")
    place.environment.setenv("KRB5_CLIENT_KTNAME", str(keytab))

    error = refused(place.end_point)

    assert "Access is denied" in error.message  # known to the realm, but no account of this host
    assert "Set-PSSessionConfiguration" in error.hint
    assert place.seen == [("kerberos", "", False)]


def test_negotiate_prefers_a_ticket(place: Place) -> None:
    end_point = replace(place.end_point, authentication="negotiate", user=SVC)

    assert ask(end_point, PASSWORD) == "HV1"
    assert place.seen == [("kerberos", ACCOUNT, False)]


@pytest.mark.parametrize(
    ("user", "address"), [(ACCOUNT, "localhost"), (ACCOUNT, "127.0.0.1")], ids=["name", "place"]
)
def test_negotiate_falls_back_to_ntlm_where_kerberos_cannot(
    user: str, address: str, place: Place
) -> None:
    end_point = replace(place.end_point, authentication="negotiate", user=user, address=address)

    assert ask(end_point, PASSWORD) == "HV1"
    assert place.seen == [("ntlm", ACCOUNT, False)]


def test_negotiate_falls_back_to_ntlm_where_no_kdc_answers(place: Place, tmp_path: Path) -> None:
    configuration = (place.realm.folder / "krb5.conf").read_text()
    away = tmp_path / "krb5.conf"
    away.write_text(configuration.replace(str(place.realm.port), str(place.realm.nobody)))
    place.environment.setenv("KRB5_CONFIG", str(away))
    end_point = replace(place.end_point, authentication="negotiate", user="svc")

    with pytest.raises(HostRefusedError, match="did not let svc in"):  # its NTLM name has a domain
        ask(end_point, PASSWORD)
    assert ask(replace(end_point, user=ACCOUNT), PASSWORD) == "HV1"


# --- messages and channels


def test_over_http_every_message_is_encrypted(place: Place) -> None:
    """The host takes no other ones; that this one arrives shows that the keys are the same."""
    wanted = replace(place.end_point, user=SVC)
    sealed: list[bytes] = []
    unsealed = auth.unsealed

    def noting(context: spnego.ContextProxy, body: bytes) -> bytes:
        sealed.append(body)
        return unsealed(context, body)

    place.environment.setattr(auth, "unsealed", noting)

    assert ask(wanted, PASSWORD) == "HV1"
    assert len(sealed) > 1
    assert not any(b"Get-ReconcilerHost" in body or b"Envelope" in body for body in sealed)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("lab"))
    made.ensure()
    made.issue_for_host("hv1", "127.0.0.1")
    return made


def tls_of(files: Certificates) -> HostTls:
    return HostTls(*files.of_host("hv1"), files.authority, {})


def over_tls(place: Place, files: Certificates, tls: HostTls) -> EndPoint:
    return replace(
        place.end_point,
        port=place.host.listen(tls=tls),
        use_tls=True,
        certificate_authorities=str(files.authority),
        user=SVC,
    )


def test_over_https_the_login_is_bound_to_the_hosts_certificate(
    place: Place, files: Certificates
) -> None:
    assert ask(over_tls(place, files, tls_of(files)), PASSWORD) == "HV1"
    assert place.seen == [("kerberos", ACCOUNT, True)]


def test_a_login_that_was_meant_for_another_certificate_is_refused(
    place: Place, files: Certificates
) -> None:
    tls = tls_of(files)
    tls.bindings = GssChannelBindings(application_data=b"tls-server-end-point:" + bytes(32))

    assert (
        "did not take the Kerberos ticket" in refused(over_tls(place, files, tls), PASSWORD).message
    )


# --- what goes wrong, each with its own next step


@pytest.mark.parametrize(
    ("user", "password", "says", "hint"),
    [
        (SVC, WRONG, "Preauthentication failed", "check the password"),
        (f"nobody@{REALM}", WRONG, "not found in Kerberos database", "name@REALM"),
        (ACCOUNT, PASSWORD, "not found in Kerberos database", r"DOMAIN\name"),
        ("a@b@c", PASSWORD, "Malformed", "name@REALM"),
    ],
)
def test_a_wrong_account_is_told_from_a_wrong_password(
    user: str, password: str, says: str, hint: str, place: Place
) -> None:
    error = refused(replace(place.end_point, user=user), password)

    assert says in error.message
    assert hint in error.hint
    assert password not in error.message + error.hint


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        ("-expire yesterday", "has expired", "in the directory"),
        ("-expire never -pwexpire yesterday", "Password has expired", "new password"),
        ("-pwexpire never -allow_tix", "revoked", "unlock"),
    ],
)
def test_an_account_that_is_out_of_use_says_what_to_do(
    words: str, says: str, hint: str, place: Place
) -> None:
    place.realm.add_user("leaver", PASSWORD)
    place.realm.change("leaver", words)

    error = refused(replace(place.end_point, user=f"leaver@{REALM}"), PASSWORD)

    assert says in error.message
    assert hint in error.hint


@pytest.mark.parametrize("user", ["svc@FAR.TEST", "svc@lab.test", "svc@OTHER.TEST"])
def test_without_a_kdc_it_may_work_later(user: str, place: Place) -> None:
    with pytest.raises(HostUnreachableError) as caught:
        ask(replace(place.end_point, user=user), PASSWORD)

    assert "KDC" in caught.value.message
    assert "port 88" in caught.value.hint


def test_without_any_ticket_it_is_said_how_to_get_one(place: Place) -> None:
    error = refused(place.end_point)

    assert "No Kerberos credentials" in error.message
    assert "kinit" in error.hint
    assert "KRB5_CLIENT_KTNAME" in error.hint


def test_a_name_that_the_kdc_does_not_know_hints_at_the_address(place: Place) -> None:
    error = refused(replace(place.end_point, address="127.0.0.1", user=SVC), PASSWORD)

    assert "host/127.0.0.1" in error.message
    assert "'address'" in error.hint


@pytest.mark.parametrize("seconds", [QUARTER_OF_AN_HOUR, -QUARTER_OF_AN_HOUR])
def test_a_clock_that_is_wrong_is_named(seconds: int, place: Place, tmp_path: Path) -> None:
    cache = place.realm.kinit(tmp_path / "cache", "svc", PASSWORD)
    set_clock_back(cache, seconds)
    place.use(cache)

    assert "same time" in refused(place.end_point).hint


def test_a_host_whose_clock_is_another_one_hints_at_clocks(place: Place, tmp_path: Path) -> None:
    """The KDC gave the ticket long ago, so only the host sees that the time is wrong."""
    cache = place.realm.kinit(tmp_path / "cache", "svc", PASSWORD)
    place.realm.ask_for_ticket(cache, SERVICE)
    set_clock_back(cache, -QUARTER_OF_AN_HOUR)
    place.use(cache)

    error = refused(place.end_point)

    assert "did not take the Kerberos ticket" in error.message
    assert "clocks" in error.hint


def test_a_host_with_a_new_key_hints_at_a_new_ticket(place: Place, tmp_path: Path) -> None:
    cache = place.realm.kinit(tmp_path / "cache", "svc", PASSWORD)
    place.realm.ask_for_ticket(cache, SERVICE)
    keytab = place.realm.keytab(tmp_path / "host.keytab", SERVICE)
    place.use(cache)
    place.environment.setenv("KRB5_KTNAME", str(keytab))

    assert "new ticket" in refused(place.end_point).hint
    place.use(place.realm.kinit(tmp_path / "another", "svc", PASSWORD))
    assert ask(place.end_point) == "HV1"
    place.realm.keytab(place.realm.folder / "host.keytab", SERVICE)  # as the others need it


def test_a_host_that_takes_no_kerberos_is_told_apart(place: Place) -> None:
    place.environment.setenv("KRB5_KTNAME", str(place.realm.folder / "none.keytab"))

    error = refused(replace(place.end_point, user=SVC), PASSWORD)

    assert "did not take the Kerberos ticket of svc@LAB.TEST" in error.message


# --- a session that outlives its ticket


def short_lived(place: Place, cache: Path) -> Path:
    return place.realm.kinit(cache, "svc", PASSWORD, "-l", "3s")


def test_a_session_goes_on_with_a_new_ticket_when_the_old_one_ends(
    place: Place, tmp_path: Path
) -> None:
    cache = short_lived(place, tmp_path / "cache")
    place.use(cache)
    session = AgentSession(place.end_point, "")
    try:
        assert answer_of(session) == "HV1"
        place.realm.await_expiry(cache)
        place.realm.kinit(cache, "svc", PASSWORD)

        assert answer_of(session) == "HV1"
    finally:
        session.close()
    assert len(place.seen) == 2


def test_a_session_without_a_new_ticket_says_that_the_old_one_ended(
    place: Place, tmp_path: Path
) -> None:
    cache = short_lived(place, tmp_path / "cache")
    place.use(cache)
    session = AgentSession(place.end_point, "")
    try:
        assert answer_of(session) == "HV1"
        place.realm.await_expiry(cache)
        with pytest.raises(HostRefusedError, match=r"(?i)ticket (has )?expired") as caught:
            answer_of(session)
    finally:
        session.close()
    assert "kinit" in caught.value.hint
    assert "keytab" in caught.value.hint


# --- the whole product


@pytest.fixture(scope="module")
def world(peopled: Realm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A lab whose host takes tickets of the realm."""
    with pytest.MonkeyPatch.context() as environment:
        for key, value in peopled.environment.items():
            environment.setenv(key, value)
        environment.setenv("KRB5_KTNAME", str(peopled.folder / "host.keytab"))
        definition = LabDefinition((HostDefinition("hv2", (WEB_01,)),))
        yield from new_world(tmp_path_factory, definition)


def with_kerberos(world: World, *lines: str) -> None:
    world.write_policies()
    policies = world.policies / "all.yaml"
    text = policies.read_text()
    account = text[text.index("authentication: ntlm") : text.index("---")]
    new = "\n".join(("authentication: kerberos", *lines)) + "\n"
    text = text.replace(account, new).replace("address: 127.0.0.1", "address: localhost")
    policies.write_text(text)


@pytest.fixture
def in_realm(peopled: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key, value in peopled.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/nothing")


@pytest.mark.usefixtures("in_realm")
def test_a_machine_is_backed_up_with_a_ticket(
    world: World, peopled: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    peopled.add_user("reconciler", PASSWORD)
    with_kerberos(world)
    cache = peopled.kinit(tmp_path / "cache", "reconciler", PASSWORD)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
    shadow = world.shadow("kerberos-shadow")
    _, (result,) = world.apply()

    assert result.verdict is Verdict.DONE
    assert world.differing("web-01", world.points("web-01")[-1], shadow) == []


@pytest.mark.usefixtures("in_realm")
def test_the_command_line_says_what_is_wrong_with_the_ticket(world: World) -> None:
    with_kerberos(world)

    done = world.cli("plan")

    assert "No Kerberos credentials" in done.stdout + done.stderr
    assert "kinit" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
