"""Which way of signing in fits how a host is joined, and what Kerberos needs to work at all."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, Literal

from reconciler.policy.complaints import Code, Remark, Severity

Membership = Literal["trusted_domain", "untrusted_domain", "workgroup"]

TRUSTED: Final = "trusted_domain"
_WHERE: Final = {
    "untrusted_domain": "in a domain that is not trusted",
    "workgroup": "in a workgroup",
}


def kerberos_remarks(authentication: str, address: str, user: str | None) -> Iterator[Remark]:
    """What Kerberos cannot work with: accounts and hosts have other names there."""
    if authentication != "kerberos":
        return
    if user is not None and "\\" in user:
        yield Remark(("user",), "Kerberos does not know accounts as DOMAIN\\name", _as_realm(user))
    if is_number(address):
        text = "Kerberos knows hosts by name; a ticket for an IP address is mostly refused"
        hint = "write the host's full name, as the directory has it"
        yield Remark(("address",), text, hint, severity=Severity.WARNING)


def membership_remarks(
    membership: str | None, authentication: str, address: str, user: str | None
) -> Iterator[Remark]:
    """R4.10, as far as one host decides it: Kerberos where it can be, and only there."""
    if membership is None:
        return
    if membership != TRUSTED:
        if authentication == "kerberos":
            text = f"there is no Kerberos for a host {_WHERE[membership]}"
            hint = "write 'certificate' (with tls: true), or 'ntlm' for a host of no cluster"
            yield Remark(("authentication",), text, hint)
        return
    if authentication == "ntlm":
        text = "a host of a trusted domain should be asked with Kerberos, not with NTLM"
        hint = "write 'authentication: kerberos'"
        yield Remark(("authentication",), text, hint, severity=Severity.WARNING)
    elif authentication == "negotiate" and user is not None and "\\" in user:
        text = "with an account as DOMAIN\\name this is NTLM, though Kerberos would do here"
        yield Remark(("user",), text, _as_realm(user), severity=Severity.WARNING)
    elif authentication == "negotiate" and is_number(address):
        text = "with an IP address this is NTLM, though Kerberos would do here"
        hint = "write the host's full name, as the directory has it"
        yield Remark(("address",), text, hint, severity=Severity.WARNING)


def unfit_node(
    cluster: str, membership: str | None, authentication: str, *, is_written: bool
) -> Remark | None:
    """R4.10 of a cluster's node: without trust only a certificate; None where all is well.

    `is_written`: whether the policy says how the host is asked, so that the caret can go there.
    """
    if membership is None or membership == TRUSTED or authentication == "certificate":
        return None
    where = _WHERE[membership]
    text = f"a node of a cluster ('{cluster}') {where} takes nothing but a certificate"
    hint = "write 'authentication: certificate' with 'tls: true', 'certificate', 'certificate_key'"
    key = "authentication" if is_written else "membership"
    return Remark((key,), text, hint, Code.CONFLICT)


def is_number(address: str) -> bool:
    """Whether an address is one of IP, and no name."""
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def _as_realm(user: str) -> str:
    domain, _, name = user.partition("\\")
    return f"write the account as name@REALM, such as '{name}@{domain.upper()}.EXAMPLE.COM'"
