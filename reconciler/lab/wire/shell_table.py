"""All shells of a host: who owns them, how many, and when they end."""

import threading

from reconciler.lab.wire.engine import ShellEngine
from reconciler.lab.wire.shells import Quotas, Shell
from reconciler.lab.wire.soap import WsmanFault, access_denied, unknown_selector


class ShellTable:
    """All shells of a host, each with its engine."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._lock = threading.Lock()
        self._shells: dict[str, tuple[Shell, ShellEngine]] = {}

    def add(self, shell: Shell, engine: ShellEngine) -> None:
        """Keep a new shell.

        Raises:
            WsmanFault: The id is taken, or its owner has too many.
        """
        identity = shell.identity
        self.reap()
        with self._lock:
            theirs = sum(s.identity.owner == identity.owner for s, _ in self._shells.values())
            if theirs >= self._quotas.shells_per_user:
                raise WsmanFault(
                    2150859173,
                    "The WS-Management service cannot process the request. This user is allowed a "
                    f"maximum number of {self._quotas.shells_per_user} concurrent shells, which "
                    "has been exceeded. Close existing shells or raise the quota for this user. ",
                    "w:QuotaLimit",
                )
            if identity.shell_id in self._shells:
                raise WsmanFault(2147942583, "The shell id already exists. ")
            self._shells[identity.shell_id] = (shell, engine)

    def find(self, shell_id: str, user: str) -> tuple[Shell, ShellEngine]:
        """A living shell of this user.

        Raises:
            WsmanFault: It is gone, or somebody else's.
        """
        self.reap()
        with self._lock:
            found = self._shells.get(shell_id.upper())
        if found is None:
            raise unknown_selector(f"ShellId {shell_id}")
        if found[0].identity.owner != user:
            raise access_denied()
        return found

    def owned_by(self, user: str) -> tuple[Shell, ...]:
        """All shells of a user."""
        with self._lock:
            return tuple(s for s, _ in self._shells.values() if s.identity.owner == user)

    def remove(self, shell_id: str) -> None:
        """End a shell; one that is gone already is no error."""
        with self._lock:
            found = self._shells.pop(shell_id, None)
        if found is not None:
            shell, engine = found
            shell.close()
            engine.close()

    def reap(self) -> None:
        """End the shells that were idle for too long."""
        with self._lock:
            shells = [shell for shell, _ in self._shells.values()]
        for shell in shells:
            if shell.inactive_s > shell.identity.idle_s:
                self.remove(shell.identity.shell_id)

    def close(self) -> None:
        """End all shells."""
        with self._lock:
            ids = list(self._shells)
        for shell_id in ids:
            self.remove(shell_id)
