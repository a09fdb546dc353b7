"""One host on the wire."""

from collections.abc import Mapping

from reconciler.lab.wire.auth import NegotiatedConversation, NtlmUsers
from reconciler.lab.wire.engine import EngineFactory
from reconciler.lab.wire.http import Conversation, HttpLimits, HttpServer
from reconciler.lab.wire.shells import Quotas
from reconciler.lab.wire.wsman import Caller, WsmanService

SEAL_OVERHEAD_BYTES = 8192
DEFAULT_QUOTAS = Quotas()


class WireHost:
    """A WinRM service: users, session configurations and the engines behind them.

    Units: `listen` may be called several times; all its ports lead to the same shells.
    """

    def __init__(
        self,
        name: str,
        users: Mapping[str, str],
        engines: Mapping[str, EngineFactory],
        quotas: Quotas = DEFAULT_QUOTAS,
    ) -> None:
        self.name = name
        self._quotas = quotas
        self._users = NtlmUsers(name, users)
        self._service = WsmanService(name, engines, quotas)
        self._servers: list[HttpServer] = []

    def listen(self, address: str = "127.0.0.1", port: int = 0) -> int:
        """Answer at an address; the port that was taken."""
        limits = HttpLimits(
            body_bytes=self._quotas.envelope_bytes + SEAL_OVERHEAD_BYTES,
            idle_s=self._quotas.connection_idle_s,
        )
        server = HttpServer((address, port), self._converse, limits)
        self._servers.append(server)
        return server.port

    def traffic(self) -> int:
        """What crossed the sockets so far, both ways. Units: bytes."""
        return sum(server.traffic.byte_count for server in self._servers)

    def close(self) -> None:
        """End shells, connections and listeners, and forget the users."""
        self._service.close()
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._users.close()

    def _converse(self, address: str) -> Conversation:
        return NegotiatedConversation(
            self.name,
            self._users,
            lambda message, user: self._service.answer(message, Caller(user, address)),
        )
