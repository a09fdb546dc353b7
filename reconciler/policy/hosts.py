"""Hyper-V hosts: where their machines are found, and how to speak to them."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from reconciler.policy.complaints import Remark
from reconciler.policy.kind import Header
from reconciler.policy.values import Address, Optionally, SecretReference, Text

WSMAN_PORT = 5985
WSMAN_TLS_PORT = 5986


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

    authentication: Literal["ntlm", "negotiate", "kerberos", "certificate"] = "negotiate"
    """How the reconciler proves who it is."""

    user: Optionally[Text] = None
    r"""Account on the host, such as 'DOMAIN\reconciler' in single quotes."""

    password: Optionally[SecretReference] = None
    """Where the password is: env:NAME or file:path, never the password itself."""

    configuration: Text = "ReconcilerAgent"
    """Name of the PowerShell session configuration that offers the protection agent."""

    @property
    def wsman_port(self) -> int:
        """The port to connect to."""
        return self.port or (WSMAN_TLS_PORT if self.tls else WSMAN_PORT)

    def remarks(self) -> Iterator[Remark]:
        """Keys that the way of authentication needs, or cannot have."""
        how = self.authentication
        if how == "certificate" and not self.tls:
            text = "authentication by certificate needs TLS"
            yield Remark(("authentication",), text, "add 'tls: true'")
        for key, value in (("user", self.user), ("password", self.password)):
            if value is None and how in {"ntlm", "negotiate"}:
                text = f"key '{key}' is missing; authentication by {how} needs it"
                yield Remark((), text, f"add '{key}:'")
