"""A connection has to show who it is, and then speaks encrypted."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import spnego

from reconciler.lab.wire.auth import ENCRYPTED_TYPE, NegotiatedConversation, NtlmUsers, sealed
from reconciler.lab.wire.auth import unsealed as opened
from reconciler.lab.wire.http import Request, Response

PASSWORD = "Passw0rd!"  # noqa: S105


@pytest.fixture
def users() -> Iterator[NtlmUsers]:
    made = NtlmUsers("HV1", {"svc": PASSWORD, "LAB\\other": PASSWORD})
    yield made
    made.close()


@pytest.fixture
def conversation(users: NtlmUsers) -> NegotiatedConversation:
    return NegotiatedConversation(
        "HV1", users, lambda message, user: (200, user.encode() + b" said " + message)
    )


def post(body: bytes = b"", path: str = "/wsman", **headers: str) -> Request:
    return Request("POST", path, {k.replace("_", "-"): v for k, v in headers.items()}, body)


def token_of(response: Response) -> bytes:
    scheme, _, token = response.headers.get("WWW-Authenticate", "").partition(" ")
    assert scheme == "Negotiate"
    return base64.b64decode(token)


def logged_in(
    conversation: NegotiatedConversation, user: str = "svc", password: str = PASSWORD
) -> tuple[spnego.ContextProxy, Response]:
    client = spnego.client(
        user,
        password,
        hostname="hv1",
        protocol="ntlm",
        options=spnego.NegotiateOptions.wrapping_winrm,
    )
    token, response = client.step(), Response(0)
    while token:
        said = base64.b64encode(token).decode()
        response = conversation.answer(post(authorization=f"Negotiate {said}"))
        challenge = response.headers.get("WWW-Authenticate", "").partition(" ")[2]
        token = client.step(base64.b64decode(challenge)) if challenge else None
    return client, response


def test_without_a_user_there_is_a_challenge(conversation: NegotiatedConversation) -> None:
    response = conversation.answer(post(b"<s:Envelope/>"))

    assert (response.status, response.headers) == (401, {"WWW-Authenticate": "Negotiate"})


@pytest.mark.parametrize(
    ("user", "seen"), [("svc", "svc"), ("HV1\\svc", "HV1\\svc"), ("LAB\\other", "LAB\\other")]
)
def test_an_encrypted_message_is_answered_encrypted(
    user: str, seen: str, conversation: NegotiatedConversation
) -> None:
    client, _ = logged_in(conversation, user)

    response = conversation.answer(post(sealed(client, b"hello"), content_type=ENCRYPTED_TYPE))

    assert response.status == 200
    assert b"said" not in response.body
    assert opened(client, response.body) == seen.encode() + b" said hello"


def test_a_plain_message_is_refused_as_windows_does(conversation: NegotiatedConversation) -> None:
    logged_in(conversation)

    response = conversation.answer(post(b"<s:Envelope/>", content_type="application/soap+xml"))

    assert response.status == 500
    assert b'Code="2150858977"' in response.body


@pytest.mark.parametrize(
    ("user", "password"),
    [("svc", "wrong"), ("nobody", PASSWORD), ("other", PASSWORD), ("X\\svc", PASSWORD)],
)
def test_a_wrong_user_stays_outside(
    user: str, password: str, conversation: NegotiatedConversation
) -> None:
    client, response = logged_in(conversation, user, password)

    assert response.status == 401
    again = conversation.answer(post(sealed(client, b"hello"), content_type=ENCRYPTED_TYPE))
    assert again.status == 401


def test_a_message_of_another_connection_ends_this_one(
    conversation: NegotiatedConversation, users: NtlmUsers
) -> None:
    logged_in(conversation)
    stranger, _ = logged_in(NegotiatedConversation("HV1", users, lambda _m, _u: (200, b"")))

    response = conversation.answer(post(sealed(stranger, b"hello"), content_type=ENCRYPTED_TYPE))

    assert (response.status, response.is_last) == (400, True)


@pytest.mark.parametrize("body", [b"x", b"\tContent-Type: application/octet-stream\r\n\xff"])
def test_a_body_without_its_frame_ends_the_connection(
    body: bytes, conversation: NegotiatedConversation
) -> None:
    logged_in(conversation)

    assert conversation.answer(post(body, content_type=ENCRYPTED_TYPE)).status == 400


@pytest.mark.parametrize("token", ["", "!", "AAAA", base64.b64encode(b"NTLMSSP\0" * 9).decode()])
def test_a_senseless_token_is_a_challenge(token: str, conversation: NegotiatedConversation) -> None:
    assert conversation.answer(post(authorization=f"Negotiate {token}")).status == 401


def test_other_paths_and_methods_are_not_served(conversation: NegotiatedConversation) -> None:
    assert conversation.answer(post(path="/")).status == 404
    assert conversation.answer(Request("GET", "/wsman", {}, b"")).status == 405


@pytest.mark.parametrize("pair", [("a:b", "p"), ("a", "p:q"), ("a", "p\nx:y:z")])
def test_users_that_would_break_the_file_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="colon"):
        NtlmUsers("HV1", dict([pair]))


def test_the_file_of_users_is_private_and_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    users = NtlmUsers("HV1", {"svc": PASSWORD})
    (file,) = tmp_path.iterdir()
    mode = file.stat().st_mode & 0o777
    users.close()

    assert mode == 0o600
    assert not list(tmp_path.iterdir())
