"""What Kerberos says when it does not work, as a reason and the next step.

Its libraries are an extra: their errors are known by the codes that they carry, never imported.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_BASE: Final = -1765328384
"""What codes of krb5 count from.

Source: krb5.h, ERROR_TABLE_BASE_krb5; the names below are those of RFC 4120 §7.5.9 and of krb5.h.
"""
_NO_CREDENTIALS: Final = 7 << 16
_EXPIRED: Final = (11 << 16, 12 << 16)
"""Routine errors of GSS-API: no credentials; credentials, or a context, that are over.

Source: RFC 2744 §3.9.1.
"""
_INTERNAL: Final = re.compile(
    r"SpnegoError \(\d+\): |Major \(\d+\): .*?, Minor \(\d+\): |, Context: .*| -\d+\Z"
)

_NEW_TICKET: Final = (
    "get a new ticket with kinit; a keytab (KRB5_CLIENT_KTNAME), or 'user' and 'password' in the "
    "policy, renew theirs by themselves"
)
_ANY_TICKET: Final = (
    "run kinit as the user of this process, name a keytab in KRB5_CLIENT_KTNAME, or write 'user' "
    "and 'password' in the policy"
)
_ACCOUNT: Final = "unlock, or extend, the account in the directory"
_PASSWORD: Final = "check the password that the policy's 'password' leads to"  # noqa: S105 (words)
_CLOCKS: Final = (
    "let this computer, the host and the domain controllers keep the same time: five minutes are "
    "too much"
)
_CONTROLLER: Final = (
    "check that a domain controller of that realm answers at port 88, that DNS or /etc/krb5.conf "
    "names it, and that the realm is written in capitals"
)
_FILE: Final = "repair /etc/krb5.conf, or the file that KRB5_CONFIG names"
_KEYS: Final = (
    "get a new ticket (kdestroy, kinit); if that does not help, see with setspn -X whether two "
    "accounts have the host's name"
)
_HINTS: Final = {
    1: _ACCOUNT,
    6: r"write 'user' as name@REALM, the realm in capitals; DOMAIN\name is no name for Kerberos",
    7: "write in 'address' the host's full name as the directory has it, neither its IP address "
    "nor an alias; setspn -L lists the names of a host",
    14: "allow AES for the account and for the host in the directory",
    18: _ACCOUNT,
    23: "set a new password in the directory, and put it where the policy's 'password' leads to",
    24: _PASSWORD,
    29: _CONTROLLER,
    31: _PASSWORD,
    32: _NEW_TICKET,
    33: _CLOCKS,
    37: _CLOCKS,
    41: _KEYS,
    44: _KEYS,
    134: "write 'user' as name@REALM",
    136: _FILE,
    141: _ANY_TICKET,
    154: _CONTROLLER,
    156: _CONTROLLER,
    174: _PASSWORD,
    181: _ANY_TICKET,
    195: _ANY_TICKET,
    224: "write 'user' as name@REALM, or a default_realm into /etc/krb5.conf",
}  # fmt: skip
_PASSING: Final = frozenset({29, 154, 156})
_TRACE: Final = "KRB5_TRACE=/dev/stderr before the command shows each step of Kerberos"


@dataclass(frozen=True, slots=True)
class KerberosTrouble:
    """Why Kerberos did not work."""

    reason: str
    """As its library says it."""
    hint: str
    is_passing: bool = False
    """Nobody has to repair anything here: it may work later."""
    is_expired: bool = False
    """A new ticket, if there is one, is all that it takes."""


def kerberos_trouble(error: BaseException | None) -> KerberosTrouble | None:
    """What an error, or one that it comes from, says about Kerberos; None where it is not of it."""
    for each in _with_causes(error):
        minor = _code(each, "err_code", "min_code")
        major = _code(each, "maj_code")
        if minor is None and major is None:
            continue
        number = -1 if minor is None else minor - _BASE
        reason = " ".join(_INTERNAL.sub("", str(each)).split())
        if major in _EXPIRED:
            return KerberosTrouble("the ticket has expired", _NEW_TICKET, is_expired=True)
        if major == _NO_CREDENTIALS:
            return KerberosTrouble(reason, _ANY_TICKET)
        hint = _HINTS.get(number, _TRACE)
        return KerberosTrouble(reason, hint, number in _PASSING, hint is _NEW_TICKET)
    return None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, then what it comes from; bounded, because chains of strangers may be rings."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = getattr(error, "base_error", None) or error.__cause__


def _code(error: BaseException, *names: str) -> int | None:
    """A code that an error carries, which GSS-API hands on without its sign."""
    found = next((getattr(error, name) for name in names if hasattr(error, name)), None)
    if not isinstance(found, int):
        return None
    return found - (1 << 32) if found >> 31 == 1 else found
