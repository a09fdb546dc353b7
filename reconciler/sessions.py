"""From policies to sessions: with Hyper-V hosts, and with the file servers of their disks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.adapters.file_servers import FileServers, ServerFiles
from reconciler.adapters.host_shares import HostShares
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.client import HyperVHost as HostClient
from reconciler.adapters.hyperv.install.administrator import CONFIGURATION, Administrator
from reconciler.adapters.hyperv.server_files import AgentFiles
from reconciler.adapters.hyperv.session import AgentSession, EndPoint
from reconciler.adapters.hyperv.timeouts import USUAL, HostTimeouts
from reconciler.adapters.secrets import resolve_secret
from reconciler.adapters.smb_reach import Reach
from reconciler.errors import HostUnreachableError, SettingsError
from reconciler.logs import register_secret
from reconciler.model.names import HostName
from reconciler.policy.file_servers import FileServer
from reconciler.policy.hosts import SMB_PORT, HyperVHost
from reconciler.policy.policy_set import PolicySet
from reconciler.ports import HostSession

if TYPE_CHECKING:
    from reconciler.adapters.smb.pace import Pace

_FILE = "file:"
_NEGOTIATE = "negotiate"


def open_host(policies: PolicySet, name: HostName, timeouts: HostTimeouts = USUAL) -> HostSession:
    """A session with a host of the policies, for the calling thread.

    It also reads disks on the file servers of the policies; those are connected to when the first
    disk there is read.

    Raises:
        HostUnreachableError: No policy describes the host.
        SettingsError: A secret, or a file of certificates, is not there.
    """
    policy = next((host for host in policies.hosts if host.name == name), None)
    if policy is None:
        raise HostUnreachableError(
            f"no policy describes the host {name} any more",
            hint=f"put a HyperVHost named {name} back, or name the machine's new host",
            host=name,
        )
    session = AgentSession(_end_point(policy, timeouts), _secret(policy.password))
    servers = {each.known_as: partial(_server_files, each) for each in policies.file_servers}
    return HostClient(AgentCalls(name, session), FileServers(servers), _shares(policy))


def agent_session(
    policy: HyperVHost, scripts: Mapping[str, str], timeouts: HostTimeouts = USUAL
) -> AgentSession:
    """A session with the agent of a host, for who calls its functions himself."""
    return AgentSession(_end_point(policy, timeouts), _secret(policy.password), scripts)


def administrator(
    policy: HyperVHost, user: str, password: str, timeouts: HostTimeouts = USUAL
) -> Administrator:
    """A session as somebody who may install the agent, at the end point that Windows has.

    Signs in as the policy says, but where it names a certificate: that is mapped to another user.
    """
    register_secret(password)
    usual = _end_point(policy, timeouts)
    by_name = "negotiate" if usual.authentication == "certificate" else usual.authentication
    end_point = replace(
        usual,
        configuration=CONFIGURATION,
        user=user,
        authentication=by_name,
        certificate="",
        certificate_key="",
    )
    return Administrator(end_point, password)


def _end_point(policy: HyperVHost, timeouts: HostTimeouts) -> EndPoint:
    by_certificate = policy.authentication == "certificate"
    return EndPoint(
        host=HostName(policy.name),
        address=policy.address,
        port=policy.wsman_port,
        use_tls=policy.tls,
        authentication=policy.authentication,
        user="" if by_certificate else policy.user or "",
        configuration=policy.configuration,
        certificate_authorities=_file(policy.trust, "trust", policy.name),
        certificate=_file(policy.certificate, "certificate", policy.name) if by_certificate else "",
        certificate_key=_key(policy) if by_certificate else "",
        connect_timeout_s=timeouts.connect_s,
        read_timeout_s=timeouts.read_s,
    )


def _shares(policy: HyperVHost) -> HostShares | None:
    """The host's own shares, not connected yet; None where its agent reads the disks."""
    if policy.disks_through != "smb":
        return None
    place = _Place(policy.address, policy.address, policy.smb_port or SMB_PORT)
    files, reach = _smb_files(place, policy), _reach(place.address, place.port)
    return HostShares(HostName(policy.name), policy.address, files, reach)


@lru_cache(maxsize=1024)
def _reach(address: str, port: int) -> Reach:
    """One for each server."""
    del address, port
    return Reach()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an SMB server answers, and what paths call it."""

    name: str
    address: str
    port: int


def _smb_files(place: _Place, policy: HyperVHost | FileServer) -> ServerFiles:
    from reconciler.adapters.smb.files import SmbFiles  # noqa: PLC0415 (slow, rarely needed)
    from reconciler.adapters.smb.session import SmbServer  # noqa: PLC0415 (as above)

    is_by_certificate = policy.authentication == "certificate"
    server = SmbServer(
        name=place.name,
        address=place.address,
        port=place.port,
        user="" if is_by_certificate else policy.user or "",
        authentication=_NEGOTIATE if is_by_certificate else policy.authentication,
        prefers_encryption=True,
        pace=_pace(policy.name, policy.read_limit) if policy.read_limit else None,
    )
    return SmbFiles(server, "" if is_by_certificate else _secret(policy.password))


@lru_cache(maxsize=1024)
def _pace(name: str, bytes_per_s: int) -> "Pace":  # one for each server
    from reconciler.adapters.smb.pace import Pace  # noqa: PLC0415 (slow, rarely needed)

    return Pace(bytes_per_s)


def _server_files(policy: FileServer) -> ServerFiles:
    """A session with a file server, not connected yet."""
    if policy.through == "smb":
        place = _Place(policy.known_as, policy.address, policy.connection_port)
        return _smb_files(place, policy)
    host = HostName(policy.name)
    end_point = EndPoint(
        host=host,
        address=policy.address,
        port=policy.connection_port,
        use_tls=policy.tls,
        authentication=policy.authentication,
        user=policy.user or "",
        configuration=policy.configuration,
    )
    return AgentFiles(AgentCalls(host, AgentSession(end_point, _secret(policy.password))))


def _secret(reference: str | None) -> str:
    secret = resolve_secret(reference) if reference else ""
    register_secret(secret)
    return secret


def _key(policy: HyperVHost) -> str:
    reference = policy.certificate_key or ""
    if not reference.startswith(_FILE):
        raise SettingsError(
            f"'certificate_key' of the host {policy.name} names no file",
            hint="write file:path of the PEM file with the private key",
        )
    return _file(reference.removeprefix(_FILE), "certificate_key", policy.name)


def _file(path: str | None, key: str, host: str) -> str:
    """A file that a policy names; a relative path counts from the working folder."""
    if path is None:
        return ""
    if not Path(path).is_file():
        raise SettingsError(
            f"the file {path} is not there, which is '{key}' of the host {host}",
            hint="put it there, or name another one; in the lab, `reconciler lab up` makes them",
        )
    return path
