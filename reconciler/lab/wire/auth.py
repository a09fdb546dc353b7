"""Who is on the connection, and the encryption of what is said: Negotiate, certificates.

Over HTTP, Negotiate encrypts messages itself. Over HTTPS it need not, and a client may show a
certificate instead. Kerberos is taken where the extra is installed and the process has a keytab
(KRB5_KTNAME) with a key for the name that clients ask for; NTLM always.
"""

import base64
import os
import struct
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import InvalidCredentialError

from reconciler.lab.wire.http import Request, Response
from reconciler.lab.wire.soap import WsmanFault, fault

SOAP_TYPE: Final = "application/soap+xml;charset=UTF-8"
ENCRYPTED_TYPE: Final = (
    'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";'
    'boundary="Encrypted Boundary"'
)
WSMAN_PATH: Final = "/wsman"
BY_CERTIFICATE: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
"""What stands in the Authorization header when the certificate of the connection says who it is.

Source: DSP0226 §C.3.
"""

_BOUNDARY = b"--Encrypted Boundary"
_PART = b"\tContent-Type: application/octet-stream\r\n"
_USER_FILE_VARIABLE = "NTLM_USER_FILE"
_ENVIRONMENT = threading.Lock()

Answering = Callable[[bytes, str], tuple[int, bytes]]
"""SOAP message and user to HTTP status and SOAP answer."""


class NtlmUsers:
    """The users of one host, in a private file, which is the only way pyspnego takes them.

    It finds the file by an environment variable of the process. The variable is held by a lock
    for the length of one step, so several hosts in a process keep their users apart.
    """

    def __init__(
        self, domain: str, users: Mapping[str, str], refuses: Callable[[], bool] = lambda: False
    ) -> None:
        """`refuses` is asked about each login that is right."""
        self._refuses = refuses
        self._accounts = {_as_principal(*account.rpartition("\\")): account for account in users}
        if any(sign in text for pair in users.items() for text in pair for sign in ":\r\n"):
            raise ValueError("names and passwords of the lab hold no colon and no line end")
        lines = [
            f"{scope}:{name}:{password}\n"
            for account, password in users.items()
            for scope, name in _spellings(account, domain)
        ]
        handle, path = tempfile.mkstemp(prefix="reconciler-lab-", suffix=".users")  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(lines)
        self._path = Path(path)

    def step(self, context: spnego.ContextProxy, token: bytes) -> bytes | None:
        """One step of a handshake.

        Raises:
            SpnegoError: The user is unknown, the password is wrong or the token makes no sense.
        """
        with _ENVIRONMENT:
            os.environ[_USER_FILE_VARIABLE] = str(self._path)
            answer = context.step(token)
        if context.complete and self._refuses():
            raise InvalidCredentialError(context_msg="this password is refused for now")
        return answer

    def account_of(self, context: spnego.ContextProxy) -> str:
        """Who has logged in; empty for one whom a realm knows and this host does not let in."""
        shown = context.client_principal or "unknown"
        if context.negotiated_protocol != "kerberos":
            return shown
        name, _, realm = shown.rpartition("@")
        domain = realm.partition(".")[0]
        return self._accounts.get(_as_principal(domain, "\\", name), "")

    def close(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


class NegotiatedConversation:
    """One connection: a handshake, then encrypted messages of the user it has shown."""

    def __init__(
        self,
        machine: str,
        users: NtlmUsers,
        answering: Answering,
        bindings: GssChannelBindings | None = None,
    ) -> None:
        """`bindings` tie a login to the certificate of this connection; None if it has no TLS."""
        self._bindings = bindings
        self._machine = machine
        self._users = users
        self._answering = answering
        self._context: spnego.ContextProxy | None = None
        self._user: str | None = None

    def answer(self, request: Request) -> Response:
        """The answer to one request."""
        if refusal := misdirected(request):
            return refusal
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "negotiate":
            return self._handshake(token, request)
        return self._said(request)

    def _handshake(self, token: str, request: Request) -> Response:
        if self._context is None or self._user is not None:
            self._context, self._user = _new_context(self._bindings), None
        try:
            answer = self._users.step(self._context, base64.b64decode(token, validate=True))
            complete = self._context.complete
        except Exception:  # noqa: BLE001 (a token of a stranger provokes anything in the parser)
            self._context = None
            return _challenge()
        if not complete:
            return _challenge(answer)
        self._user = self._users.account_of(self._context)
        response = self._said(request)
        return _with_token(response, answer)

    def _said(self, request: Request) -> Response:
        if self._context is None or self._user is None:
            return _challenge()
        if not request.body:
            return Response(200)
        if not request.headers.get("content-type", "").startswith("multipart/encrypted"):
            if self._bindings is not None:
                return said(self._answering, request, self._user)
            return Response(500, self._unencrypted(), {"Content-Type": SOAP_TYPE})
        try:
            message = unsealed(self._context, request.body)
        except Exception:  # noqa: BLE001 (as above)
            return Response(400, is_last=True)  # a message of another connection's key, mostly
        status, answer = self._answering(message, self._user)
        return Response(status, sealed(self._context, answer), {"Content-Type": ENCRYPTED_TYPE})

    def _unencrypted(self) -> bytes:
        refusal = WsmanFault(
            2150858977,
            "Unencrypted traffic is currently disabled in the service configuration. ",
            "w:AccessDenied",
        )
        return fault(refusal, "", self._machine)


class CertifiedConversation:
    """One connection over TLS: by certificate, or negotiated, as each request says."""

    def __init__(
        self, account: str | None, negotiated: NegotiatedConversation, answering: Answering
    ) -> None:
        """`account` is the one that the client's certificate maps to; None if to none."""
        self._account = account
        self._negotiated = negotiated
        self._answering = answering

    def answer(self, request: Request) -> Response:
        """The answer to one request."""
        if request.headers.get("authorization") != BY_CERTIFICATE:
            return self._negotiated.answer(request)
        if refusal := misdirected(request):
            return refusal
        return said(self._answering, request, self._account) if self._account else _challenge()


def misdirected(request: Request) -> Response | None:
    """The refusal of what no WinRM listener takes."""
    if request.method != "POST":
        return Response(405)
    return Response(404) if request.path.rstrip("/").lower() != WSMAN_PATH else None


def said(answering: Answering, request: Request, user: str) -> Response:
    """The answer to a message that only TLS encrypts."""
    status, answer = answering(request.body, user)
    return Response(status, answer, {"Content-Type": SOAP_TYPE})


def _spellings(account: str, domain: str) -> tuple[tuple[str, str], ...]:
    scope, backslash, name = account.rpartition("\\")
    return ((scope, name),) if backslash else ((domain, account), ("", account))


def _as_principal(domain: str, _: str, name: str) -> tuple[str, str]:
    """An account by domain and name, whose letters may be of any size."""
    return domain.lower(), name.lower()


def _new_context(bindings: GssChannelBindings | None) -> spnego.ContextProxy:
    # The Python implementation, even where the system has a library of its own.
    python = spnego.NegotiateOptions.use_negotiate
    return spnego.server(protocol="negotiate", channel_bindings=bindings, options=python)


def _challenge(token: bytes | None = None) -> Response:
    return _with_token(Response(401, headers={"WWW-Authenticate": "Negotiate"}), token)


def _with_token(response: Response, token: bytes | None) -> Response:
    if not token:
        return response
    header = {"WWW-Authenticate": f"Negotiate {base64.b64encode(token).decode('ascii')}"}
    return Response(response.status, response.body, {**response.headers, **header})


def unsealed(context: spnego.ContextProxy, body: bytes) -> bytes:
    """The message in an encrypted body.

    Raises:
        ValueError: It is not framed as [MS-WSMV] 2.2.9.1 says.
        SpnegoError: It was not sealed with this connection's key.
    """
    start = body.index(_PART) + len(_PART)
    end = body.rindex(_BOUNDARY)
    (signature,) = struct.unpack_from("<i", body, start)
    start += 4
    if not 0 <= signature <= end - start:
        raise ValueError("the signature is longer than the message")
    return context.unwrap_winrm(body[start : start + signature], body[start + signature : end])


def sealed(context: spnego.ContextProxy, message: bytes) -> bytes:
    """An encrypted body.

    Source: [MS-WSMV] 2.2.9.1.
    """
    wrapped = context.wrap_winrm(message)
    length = str(len(message) + wrapped.padding_length).encode("ascii")
    return b"".join(
        (
            _BOUNDARY,
            b"\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n",
            b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=",
            length,
            b"\r\n",
            _BOUNDARY,
            b"\r\n",
            _PART,
            struct.pack("<i", len(wrapped.header)),
            wrapped.header,
            wrapped.data,
            _BOUNDARY,
            b"--\r\n",
        )
    )
