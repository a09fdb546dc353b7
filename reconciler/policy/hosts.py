"""Hyper-V hosts and clusters: where machines are found, and how to speak to their agents."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from reconciler.policy.complaints import Remark, Severity
from reconciler.policy.kind import Header, repeats
from reconciler.policy.sign_in import Membership, kerberos_remarks, membership_remarks
from reconciler.policy.values import (
    Address,
    Name,
    Optionally,
    SecretReference,
    Several,
    Size,
    Text,
)

WSMAN_PORT = 5985
WSMAN_TLS_PORT = 5986
SMB_PORT = 445
_SMB_KEYS = ("smb_port", "read_limit")


class HyperVHost(Header):
    """A server with the Hyper-V role and the protection agent."""

    kind: Literal["HyperVHost"]
    """What this policy describes."""

    address: Address
    """Host name or IP address."""

    port: Optionally[int] = Field(default=None, ge=1, le=65535)
    """Port of WinRM; 5985 when left out, with TLS 5986."""

    tls: bool = False
    """Speak HTTPS. Without it only ntlm, negotiate and kerberos are encrypted, by themselves."""

    trust: Optionally[Text] = None
    """File (PEM) with the certificates of the authorities that may have signed the host's own;
    those of this computer when left out."""

    authentication: Literal["ntlm", "negotiate", "kerberos", "certificate"] = "negotiate"
    """How the reconciler proves who it is. Kerberos needs the extra 'kerberos' of this package and
    the host's name as the address; negotiate is Kerberos where that works, and else NTLM."""

    membership: Optionally[Membership] = None
    """How the host is joined, seen from the account that asks it: its own domain, a child of it or
    one that it trusts; another domain; none. `check` then says which way to sign in fits."""

    user: Optionally[Text] = None
    r"""Account on the host, such as 'DOMAIN\reconciler' in single quotes; for Kerberos
    reconciler@REALM. Without it, Kerberos uses the ticket or the keytab of this process."""

    password: Optionally[SecretReference] = None
    """Where the password is: env:NAME or file:path, never the password itself. With authentication
    by certificate: the password of its key, if it has one."""

    certificate: Optionally[Text] = None
    """File (PEM) with the reconciler's own certificate, for authentication by certificate."""

    certificate_key: Optionally[SecretReference] = None
    """Where the private key of the certificate is: file:path of a PEM file."""

    configuration: Text = "ReconcilerAgent"
    """Name of the PowerShell session configuration that offers the protection agent."""

    disks_through: Literal["agent", "smb"] = "agent"
    """How disks are read: by the agent, or as a client of the host's administrative shares (C$),
    which is many times faster and needs an account that may use them. Where a probe finds that a
    share cannot be relied on, or one fails later, the agent is asked, and the log says so."""

    smb_port: Optionally[int] = Field(default=None, ge=1, le=65535)
    """Port of SMB, 445 when left out; with 'disks_through: smb' only."""

    read_limit: Optionally[Size] = None
    """At most so much is read over SMB in each second, by all jobs together: 200MiB."""

    @property
    def wsman_port(self) -> int:
        """The port to connect to."""
        return self.port or (WSMAN_TLS_PORT if self.tls else WSMAN_PORT)

    def remarks(self) -> Iterator[Remark]:
        """Keys that the way of authentication needs, or cannot have."""
        if self.authentication == "certificate":
            yield from self._with_certificate()
        else:
            yield from self._without_certificate()
        if self.port == (WSMAN_PORT if self.tls else WSMAN_TLS_PORT):
            other = "without TLS" if self.tls else "with TLS"
            text = f"is the port at which Windows speaks {other}"
            hint = "remove it" if self.tls else "add 'tls: true', or remove it"
            yield Remark(("port",), text, hint, severity=Severity.WARNING)
        asked = (self.authentication, self.address, self.user)
        yield from kerberos_remarks(*asked)
        yield from membership_remarks(self.membership, *asked)
        for key in _SMB_KEYS:
            if self.disks_through != "smb" and key in self.model_fields_set:
                text = "is for 'disks_through: smb' only"
                hint = "remove it, or write 'disks_through: smb'"
                yield Remark((key,), text, hint, is_about_key=True)
        if self.trust is not None and not self.tls:
            text = "is for TLS only: without it the host shows no certificate"
            yield Remark(("trust",), text, "add 'tls: true', or remove 'trust'", is_about_key=True)

    def _with_certificate(self) -> Iterator[Remark]:
        if not self.tls:
            text = "authentication by certificate needs TLS"
            yield Remark(("authentication",), text, "add 'tls: true'")
        for key, value in (
            ("certificate", self.certificate),
            ("certificate_key", self.certificate_key),
        ):
            if value is None:
                yield missing(key, self.authentication)
        if self.user is not None:
            text = "is not used: the host maps the certificate to an account"
            yield Remark(("user",), text, "remove it", severity=Severity.WARNING, is_about_key=True)

    def _without_certificate(self) -> Iterator[Remark]:
        for key, value in (
            ("certificate", self.certificate),
            ("certificate_key", self.certificate_key),
        ):
            if value is not None:
                text = "is for authentication by certificate only"
                hint = "add 'authentication: certificate' and 'tls: true', or remove the key"
                yield Remark((key,), text, hint, is_about_key=True)
        yield from credentials_remarks(self.authentication, self.user, self.password)


class HyperVCluster(Header):
    """A failover cluster: its machines are one thing on whichever node they run."""

    kind: Literal["HyperVCluster"]
    """What this policy describes."""

    nodes: Several[Name]
    """Names of the HyperVHost policies of its nodes, all of them."""

    def remarks(self) -> Iterator[Remark]:
        """Nodes that are there twice."""
        yield from repeats(("nodes",), self.nodes)


def missing(key: str, authentication: str) -> Remark:
    """A key that the way of authentication needs."""
    text = f"key '{key}' is missing; authentication by {authentication} needs it"
    return Remark((), text, f"add '{key}:'")


def credentials_remarks(
    authentication: str, user: str | None, password: str | None
) -> Iterator[Remark]:
    """What user and password lack; kerberos can do with a ticket of this computer's account."""
    if authentication in {"ntlm", "negotiate"}:
        for key, value in (("user", user), ("password", password)):
            if value is None:
                yield missing(key, authentication)
    elif (user is None) != (password is None):
        key = "user" if user is None else "password"
        yield Remark(
            (), f"key '{key}' is missing; one is no use without the other", f"add '{key}:'"
        )
