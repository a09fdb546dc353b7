"""The agents of hosts, installed and looked at by a person: no catalogue, no loop."""

from dataclasses import dataclass
from pathlib import Path

from reconciler.adapters.hyperv.install.administrator import Administrator
from reconciler.adapters.hyperv.install.files import ModuleVersion, Wanted, this_version
from reconciler.adapters.hyperv.install.installer import Installer, Manners
from reconciler.adapters.hyperv.install.verify import PROBES, Complaint, Verifier
from reconciler.adapters.policy_folder import read_policies
from reconciler.adapters.secrets import resolve_secret
from reconciler.agent_contract.jea import Access
from reconciler.errors import ItemNotFoundError
from reconciler.model.names import HostName
from reconciler.policy.hosts import HyperVHost
from reconciler.policy.parse import parse_set
from reconciler.sessions import administrator, agent_session


@dataclass(frozen=True, slots=True)
class Login:
    """Who installs. The password is kept nowhere."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user!r})"


class HostAgent:
    """The agent of one host of the policies."""

    def __init__(self, policy: HyperVHost) -> None:
        self.policy = policy
        self.version: ModuleVersion = this_version()
        self._host = HostName(policy.name)

    def complaints(self) -> list[Complaint]:
        """What is wrong with it, asked as its policy says."""
        return Verifier(self._host, agent_session(self.policy, PROBES), self.version).complaints()

    def install(self, login: Login, access: Access | None, manners: Manners) -> list[Complaint]:
        """Bring it to this version; the end point stays as it is if nothing is said of it."""
        wanted = Wanted(self.version, access)
        with_host = administrator(self.policy, login.user, login.password)
        try:
            return self._installer(with_host, manners).install(wanted, self.complaints)
        finally:
            with_host.close()

    def remove(self, login: Login, manners: Manners) -> tuple[str, ...]:
        """Take it away; the files that are left because they are not ours."""
        with_host = administrator(self.policy, login.user, login.password)
        try:
            return self._installer(with_host, manners).remove()
        finally:
            with_host.close()

    def _installer(self, with_host: Administrator, manners: Manners) -> Installer:
        return Installer(self._host, self.policy.configuration, with_host, manners)


def host_agent(policies: Path, name: str) -> HostAgent:
    """The agent of the host whose policy has this name.

    Raises:
        ItemNotFoundError: No policy that can be read describes it.
    """
    found = parse_set(read_policies(policies).files).policies.hosts
    policy = next((host for host in found if host.name == name), None)
    if policy is None:
        names = ", ".join(sorted(host.name for host in found))
        raise ItemNotFoundError(
            f"no policy in {policies} describes a host {name}",
            hint=f"one of {names}" if names else "reconciler check",
        )
    return HostAgent(policy)


def password_of(reference: str) -> str:
    """The password behind env:NAME or file:path.

    Raises:
        SettingsError: It is not there.
    """
    return resolve_secret(reference)
