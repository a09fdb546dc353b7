"""Whatever is raised below becomes an error of ours, with a next step."""

import struct
from xml.etree.ElementTree import ParseError

import pytest
import requests.exceptions as http
from pypsrp.exceptions import (
    AuthenticationError,
    FragmentError,
    WinRMError,
    WinRMTransportError,
    WSManFaultError,
)
from spnego.exceptions import BadMICError

from reconciler.adapters.hyperv.session_errors import MAX_SHOWN, Account, Translator, is_lost, shown
from reconciler.errors import HostError, HostRefusedError, HostUnreachableError
from reconciler.model.names import HostName

TRANSLATOR = Translator(
    HostName("hv1"),
    "10.0.0.1:5985",
    "Test-WSMan 10.0.0.1 -Port 5985",
    Account("LAB\\svc"),
)
REFUSED = "HTTPConnectionPool: Max retries (Caused by NewConnectionError: refused)"
LATE = "HTTPConnectionPool(host='10.0.0.1', port=5985): Read timed out."
UNRESOLVED = "Max retries exceeded (Caused by NameResolutionError: hv1)"


def wsman_fault(code: int | str, reason: str = "some reason") -> WSManFaultError:
    return WSManFaultError(code, "HV1", reason, None, None, None)


def status(code: int) -> WinRMTransportError:
    return WinRMTransportError("http", code, "<html>")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (AuthenticationError("no"), HostRefusedError, "did not let LAB\\svc in"),
        (BadMICError(), HostRefusedError, "did not let LAB\\svc in"),
        (wsman_fault(5, "Access is denied."), HostRefusedError, "denies access to LAB\\svc"),
        (wsman_fault("w:AccessDenied", "Access is denied."), HostRefusedError, "denies access"),
        (wsman_fault(2150858811), HostRefusedError, "session configuration"),
        (wsman_fault(1, "Cannot find the X session configuration"), HostRefusedError, "not know"),
        (wsman_fault(2150859173), HostRefusedError, "has no room"),
        (wsman_fault(2150859174), HostRefusedError, "has no room"),
        (wsman_fault(2150858843), HostUnreachableError, "ended Get-X"),
        (wsman_fault(2150858793), HostUnreachableError, "ended Get-X"),
        (wsman_fault(995), HostUnreachableError, "ended Get-X"),
        (wsman_fault("w:InternalError"), HostRefusedError, "w:InternalError: some reason"),
        (status(400), HostUnreachableError, "HTTP 400"),
        (status(503), HostUnreachableError, "HTTP 503"),
        (status(404), HostRefusedError, "HTTP 404"),
        (status(403), HostRefusedError, "forbids LAB\\svc to use WinRM"),
        (status(500), HostUnreachableError, "HTTP 500"),
        (http.SSLError("CERTIFICATE_VERIFY_FAILED"), HostRefusedError, "not trusted"),
        (http.SSLError("hostname 'a' doesn't match"), HostRefusedError, "another name"),
        (http.SSLError("WRONG_VERSION_NUMBER"), HostRefusedError, "does not speak TLS"),
        (http.SSLError("tlsv1 alert"), HostRefusedError, "ended the TLS handshake"),
        (http.ConnectionError(LATE), HostUnreachableError, "did not answer Get-X in time"),
        (http.ProxyError("proxy"), HostUnreachableError, "cut the connection"),
        (http.ConnectTimeout("slow"), HostUnreachableError, "did not answer Get-X in time"),
        (http.ReadTimeout("slow"), HostUnreachableError, "did not answer Get-X in time"),
        (http.ConnectionError(REFUSED), HostUnreachableError, "refuses the connection"),
        (http.ConnectionError(UNRESOLVED), HostUnreachableError, "not resolved"),
        (http.ConnectionError("RemoteDisconnected"), HostUnreachableError, "cut the connection"),
        (http.ChunkedEncodingError("cut"), HostUnreachableError, "cut its answer"),
        (http.TooManyRedirects("307"), HostRefusedError, "not understood"),
        (ImportError("no module named krb5"), HostRefusedError, "not installed"),
        (ParseError("line 1"), HostRefusedError, "not understood"),
        (FragmentError("order"), HostRefusedError, "not understood"),
        (WinRMError("related id"), HostRefusedError, "not understood"),
        (struct.error("short"), HostRefusedError, "not understood"),
        (KeyError("x"), HostRefusedError, "KeyError"),
    ],
)
def test_each_failure_has_its_error_with_place_and_next_step(
    error: Exception, kind: type[HostError], says: str
) -> None:
    translated = TRANSLATOR.translated(error, "Get-X")

    assert type(translated) is kind
    assert says in translated.message
    assert translated.message.startswith("hv1 (10.0.0.1:5985) ")
    assert translated.hint
    assert translated.facts["host"] == "hv1"


@pytest.mark.parametrize(
    ("error", "next_step"),
    [
        (wsman_fault(2150859173), "MaxShellsPerUser"),
        (wsman_fault(2150859174), "MaxConcurrentOperationsPerUser"),
        (wsman_fault(2150858811), "WMF 5.1"),
        (wsman_fault(5, "Zugriff verweigert"), "Set-PSSessionConfiguration"),
        (status(403), "IPv4Filter"),
        (AuthenticationError("no"), "winrm get winrm/config/service/auth"),
        (http.SSLError("CERTIFICATE_VERIFY_FAILED"), "'trust'"),
    ],
)
def test_a_failure_that_a_person_has_to_mend_says_where(error: Exception, next_step: str) -> None:
    assert next_step in TRANSLATOR.translated(error, "Get-X").hint


def test_an_unreachable_host_hints_at_the_probe() -> None:
    translated = TRANSLATOR.translated(http.ConnectionError(REFUSED), "Get-X")

    assert "Test-WSMan 10.0.0.1 -Port 5985" in translated.hint


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (wsman_fault(2150858843), True),
        (wsman_fault(995), True),
        (wsman_fault(5), False),
        (status(400), True),
        (status(503), False),
        (http.ConnectionError("reset"), True),
        (http.ChunkedEncodingError("cut"), True),
        (http.ReadTimeout("slow"), False),
        (http.ConnectionError(LATE), False),
        (http.ConnectTimeout("slow"), False),
        (http.SSLError("bad"), False),
        (AuthenticationError("no"), False),
        (None, False),
    ],
)
def test_only_a_session_that_is_gone_is_lost(error: Exception | None, expected: bool) -> None:  # noqa: FBT001
    assert is_lost(error) is expected


def test_foreign_text_is_one_short_printable_line() -> None:
    assert shown("a\n b\x1b[31m\tc") == "a b[31m c"
    assert len(shown("x" * 5000)) == MAX_SHOWN
