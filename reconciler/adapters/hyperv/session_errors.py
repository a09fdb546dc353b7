"""What pypsrp, requests and their friends raise, as errors of ours.

Source: reference/psrp-smb.md §4, which lists what each situation was seen to raise.
"""

from dataclasses import dataclass
from typing import Final

import requests.exceptions
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from spnego.exceptions import SpnegoError

from reconciler.adapters.hyperv.session_deadlines import is_late
from reconciler.adapters.kerberos import KerberosTrouble, kerberos_trouble
from reconciler.errors import HostError, HostRefusedError, HostUnreachableError
from reconciler.model.names import HostName

ACCESS_DENIED: Final = 5
ABORTED: Final = 995
TIMED_OUT: Final = 2150858793
"""Operation timeout, 0x80338029."""
GONE: Final = 2150858843
"""Unexpected selectors, 0x8033805B: the shell or the command is not there any more."""
UNKNOWN_CONFIGURATION: Final = 2150858811
TOO_MANY_SHELLS: Final = 2150859173
TOO_MANY_OPERATIONS: Final = 2150859174

_QUOTAS: Final = {
    TOO_MANY_SHELLS: "WSMan:\\localhost\\Shell\\MaxShellsPerUser",
    TOO_MANY_OPERATIONS: "WSMan:\\localhost\\Service\\MaxConcurrentOperationsPerUser",
}
STALE: Final = 400
"""HTTP status for a message sealed for a connection that is no more."""
FORBIDDEN: Final = 403
MAX_SHOWN: Final = 300

_OUR_CERTIFICATE = ("KEY_VALUES_MISMATCH", "PEM lib", "NO_START_LINE", "private key")
_CERTIFICATE_ALERTS = ("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE")
"""What OpenSSL calls the answers of a server that did not like the client's certificate."""
_PASSING_STATUS = frozenset({STALE, 408, 425, 429, 500, 502, 503, 504})


class HostileAnswerError(Exception):
    """An answer that is too large, or of a shape that no host sends."""


@dataclass(frozen=True, slots=True)
class Account:
    """As whom a host is asked."""

    user: str
    certificate: str = ""
    is_by_kerberos: bool = False

    def __str__(self) -> str:
        """In words."""
        if self.certificate:
            return f"the certificate {self.certificate}"
        return self.user or "whoever this process has a ticket for"


class Translator:
    """Translates for one end point."""

    def __init__(self, host: HostName, place: str, probe: str, user: Account) -> None:
        self._host = host
        self._place = place
        self._probe = probe
        self._user = user

    def unreachable(self, what: str, hint: str = "") -> HostUnreachableError:
        """No answer; `what` continues the sentence after the host's name."""
        usual = f"check that the host runs and WinRM answers at {self._place}: {self._probe}"
        return HostUnreachableError(
            f"{self._host} ({self._place}) {what}", hint=hint or usual, host=self._host
        )

    def refused(self, what: str, hint: str) -> HostRefusedError:
        """An answer that says no."""
        return HostRefusedError(f"{self._host} ({self._place}) {what}", hint=hint, host=self._host)

    def translated(self, error: Exception, function: str) -> HostError:
        """Our error for what was raised while `function` was called. Covers everything."""
        if trouble := kerberos_trouble(error):
            return self._without_ticket(trouble)
        match error:
            case WSManFaultError():
                return self._fault(error, function)
            case WinRMTransportError():
                return self._status(int(error.code), function)
            case AuthenticationError() | SpnegoError():
                return self._login_refused()
            case requests.exceptions.RequestException():
                return self._transport(error, function)
            case _:
                return self._unexpected(error, function)

    # --- faults and statuses

    def _fault(self, error: WSManFaultError, function: str) -> HostError:
        reason = shown(str(error.reason or ""))
        if error.code in {TIMED_OUT, ABORTED, GONE}:
            return self.unreachable(f"ended {function}: {reason}")
        if error.code in _QUOTAS:
            return self.refused(
                f"has no room for {function}: {reason}",
                f"close other sessions of this user, or raise {_QUOTAS[error.code]} on the host; "
                "a session that was lost is given up there after five minutes",
            )
        if error.code == ACCESS_DENIED or "denied" in reason.lower():
            return self.refused(
                f"denies access to {self._user}: {reason}",
                "add the user to the group that may use the session configuration: "
                "Set-PSSessionConfiguration -ShowSecurityDescriptorUI on the host",
            )
        if error.code == UNKNOWN_CONFIGURATION or "session configuration" in reason:
            return self.refused(
                f"does not know the session configuration: {reason}",
                f"install the agent: reconciler agent install {self._host} (Windows Server 2012 R2 "
                "needs WMF 5.1 before that); on the host, Get-PSSessionConfiguration lists the "
                "names",
            )
        return self.refused(
            f"answered {function} with the fault {shown(str(error.code))}: {reason}",
            "look at Microsoft-Windows-WinRM/Operational on the host",
        )

    def _status(self, status: int, function: str) -> HostError:
        if status in _PASSING_STATUS:
            return self.unreachable(f"answered {function} with HTTP {status}")
        if status == FORBIDDEN:
            return self.refused(
                f"forbids {self._user} to use WinRM: HTTP {status}",
                "look at WSMan:\\localhost\\Service\\IPv4Filter and RootSDDL on the host, and "
                "whether a proxy is on the way",
            )
        return self.refused(
            f"answered {function} with HTTP {status}",
            f"check that WinRM, and no proxy or other service, answers there: {self._probe}",
        )

    def _login_refused(self) -> HostRefusedError:
        if self._user.certificate:
            return self.refused(
                f"maps {self._user} to no account, or takes no certificates",
                "on the host, map it with New-Item WSMan:\\localhost\\ClientCertificate and set "
                "WSMan:\\localhost\\Service\\Auth\\Certificate to true",
            )
        if self._user.is_by_kerberos:
            return self.refused(
                f"did not take the Kerberos ticket of {self._user}",
                "compare the clocks, which may differ by five minutes; get a new ticket in case "
                "the host's account has changed; see with setspn -X whether two accounts have its "
                "name, and on the host winrm get winrm/config/service/auth",
            )
        return self.refused(
            f"did not let {self._user} in: wrong password, unknown user, or a way of "
            "authentication that it does not offer",
            "check user and password in the host's policy, and on the host "
            "winrm get winrm/config/service/auth",
        )

    def _without_ticket(self, trouble: KerberosTrouble) -> HostError:
        what = f"cannot be signed in to as {self._user}: Kerberos: {shown(trouble.reason)}"
        if trouble.is_passing:
            return self.unreachable(what, trouble.hint)
        return self.refused(what, trouble.hint)

    # --- transport

    def _transport(self, error: requests.exceptions.RequestException, function: str) -> HostError:
        text = str(error)
        match error:
            case requests.exceptions.SSLError():
                return self._tls(text)
            case _ if is_late(error):
                return self.unreachable(f"did not answer {function} in time")
            case requests.exceptions.ChunkedEncodingError():
                return self.unreachable(f"cut its answer to {function} short")
            case requests.exceptions.ConnectionError():
                return self.unreachable(_why_not_connected(text, function))
            case _:
                return self._unexpected(error, function)

    def _tls(self, text: str) -> HostRefusedError:
        if "hostname" in text or "doesn't match" in text or "IP address mismatch" in text:
            what, hint = "shows a certificate for another name", "use the name in the certificate"
        elif "CERTIFICATE_VERIFY_FAILED" in text:
            what = "shows a certificate that is not trusted"
            hint = "name the file of its certificate authority as 'trust' in the host's policy"
        elif any(sign in text for sign in _OUR_CERTIFICATE):
            what = f"cannot be shown {self._user}"
            hint = "check that certificate, key and the key's password belong together"
        elif any(sign in text for sign in _CERTIFICATE_ALERTS):
            what = f"does not take {self._user}"
            hint = "on the host, trust the authority that signed it: Cert:\\LocalMachine\\Root"
        elif "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
            what, hint = "does not speak TLS on this port", "use the HTTPS listener's port: 5986"
        else:
            what, hint = "ended the TLS handshake", "compare certificates and TLS versions"
        return self.refused(f"{what}: {shown(text)}", f"{hint}; {self._probe}")

    def _unexpected(self, error: Exception, function: str) -> HostRefusedError:
        if isinstance(error, ImportError):
            return self.refused(
                f"needs the extra 'kerberos', which is not installed here: {shown(error)}",
                "install it with pip install 'hyperv-reconciler[kerberos]', or use 'ntlm' or "
                "'negotiate' in its policy",
            )
        if isinstance(error, OSError) and "TLS" in str(error):  # a file that is not there
            return self.refused(
                f"cannot be asked: {shown(error)}",
                "check 'trust', 'certificate' and 'certificate_key' in the host's policy",
            )
        return self.refused(
            f"gave an answer to {function} that is not understood: "
            f"{type(error).__name__}: {shown(error)}",
            f"check that WinRM, and no proxy or other service, answers there: {self._probe}",
        )


def is_lost(error: BaseException | None) -> bool:
    """Whether an error means that the session is gone while the host may be well."""
    trouble = kerberos_trouble(error)
    if trouble is not None:
        return trouble.is_expired
    match error:
        case WSManFaultError():
            return error.code in {GONE, ABORTED}
        case WinRMTransportError():
            return bool(error.code == STALE)
        case requests.exceptions.SSLError() | requests.exceptions.Timeout():
            return False
        case requests.exceptions.ConnectionError() | requests.exceptions.ChunkedEncodingError():
            return not is_late(error)
        case _:
            return False


def _why_not_connected(text: str, function: str) -> str:
    if "NameResolutionError" in text or "getaddrinfo" in text:
        return "has a name that is not resolved"
    if "NewConnectionError" in text or "refused" in text:
        return "refuses the connection, or is not there"
    return f"cut the connection during {function}"


def shown(text: object) -> str:
    """Foreign text in one short line of printable characters."""
    line = " ".join(str(text).split())
    return "".join(sign for sign in line if sign.isprintable())[:MAX_SHOWN]
