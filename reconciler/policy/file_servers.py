"""File servers: machines may have their disks on an SMB share instead of their host."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from reconciler.policy.complaints import Remark, Severity
from reconciler.policy.hosts import SMB_PORT, WSMAN_PORT, WSMAN_TLS_PORT, credentials_remarks
from reconciler.policy.kind import Header
from reconciler.policy.sign_in import is_number, kerberos_remarks
from reconciler.policy.values import Address, Optionally, SecretReference, Size, Text

_AGENT_KEYS = ("authentication", "tls", "configuration")


class FileServer(Header):
    r"""A server with SMB shares that virtual disks lie on: \\server\share\disk.vhdx."""

    kind: Literal["FileServer"]
    """What this policy describes."""

    address: Address
    """Host name or IP address to connect to."""

    unc_name: Optionally[Address] = None
    r"""What the paths of disks call it: fs1 in \\fs1\vms\disk.vhdx. The address when left out."""

    through: Literal["smb", "agent"] = "smb"
    """How disks are read: as a client of the share, or from the protection agent on the server,
    which is faster because it finds unchanged blocks there."""

    port: Optionally[int] = Field(default=None, ge=1, le=65535)
    """Port of SMB, 445 when left out; through the agent that of WinRM, 5985 or with TLS 5986."""

    user: Optionally[Text] = None
    r"""Account on the server, such as 'DOMAIN\reconciler' in single quotes."""

    password: Optionally[SecretReference] = None
    """Where the password is: env:NAME or file:path, never the password itself."""

    authentication: Literal["ntlm", "negotiate", "kerberos"] = "negotiate"
    """How the reconciler proves who it is; through the agent only."""

    tls: bool = False
    """Speak HTTPS; through the agent only."""

    configuration: Text = "ReconcilerAgent"
    """Name of the PowerShell session configuration of the agent; through the agent only."""

    read_limit: Optionally[Size] = None
    """At most so much is read over SMB in each second, by all jobs together: 200MiB."""

    @property
    def known_as(self) -> str:
        """What the paths of disks call it."""
        return self.unc_name or self.address

    @property
    def connection_port(self) -> int:
        """The port to connect to."""
        if self.through == "smb":
            return self.port or SMB_PORT
        return self.port or (WSMAN_TLS_PORT if self.tls else WSMAN_PORT)

    def remarks(self) -> Iterator[Remark]:
        """Keys that the way of reading needs, or cannot have."""
        if self.through == "smb":
            for key in _AGENT_KEYS:
                if key in self.model_fields_set:
                    text = "is for 'through: agent' only"
                    hint = "remove it, or write 'through: agent'"
                    yield Remark((key,), text, hint, is_about_key=True)
        else:
            yield from kerberos_remarks(self.authentication, self.address, self.user)
            if self.read_limit is not None:
                text = "is for 'through: smb' only"
                yield Remark(("read_limit",), text, "remove it", is_about_key=True)
        yield from credentials_remarks(
            "kerberos" if self.through == "smb" else self.authentication, self.user, self.password
        )
        if is_number(self.known_as):
            key = "address" if self.unc_name is None else "unc_name"
            text = "Hyper-V does not support disk paths that name a server by its IP address"
            hint = "write in 'unc_name' what the paths of the disks call it"
            yield Remark((key,), text, hint, severity=Severity.WARNING)
