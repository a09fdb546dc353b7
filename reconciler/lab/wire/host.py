"""One host on the wire."""

import socket
import threading
from collections.abc import Mapping
from functools import partial

from reconciler.lab.wire.auth import (
    CertifiedConversation,
    NegotiatedConversation,
    NtlmUsers,
)
from reconciler.lab.wire.disturbances import (
    Disturbance,
    DisturbedConversation,
    Strikes,
    undisturbed,
)
from reconciler.lab.wire.engine import EngineFactory
from reconciler.lab.wire.http import Conversation, HttpLimits, HttpServer
from reconciler.lab.wire.shells import Quotas
from reconciler.lab.wire.tls import HostTls
from reconciler.lab.wire.wsman import Admits, Caller, WsmanService

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
        strikes: Strikes = undisturbed,
    ) -> None:
        """Prepare; `strikes` says what goes wrong, and when."""
        self.name = name
        self._quotas = quotas
        self._strikes = strikes
        self._is_down = False
        self._turn = threading.Lock()
        self._users = NtlmUsers(name, users, lambda: strikes(Disturbance.REFUSED_LOGIN))
        self._service = WsmanService(name, engines, quotas)
        self._servers: list[HttpServer] = []

    def listen(self, address: str = "127.0.0.1", port: int = 0, tls: HostTls | None = None) -> int:
        """Answer at an address, over HTTPS if there is a certificate; the port that was taken."""
        limits = HttpLimits(
            body_bytes=self._quotas.envelope_bytes + SEAL_OVERHEAD_BYTES,
            idle_s=self._quotas.connection_idle_s,
        )
        server = HttpServer(
            (address, port), partial(self._converse, tls), limits, tls.secured if tls else None
        )
        with self._turn:
            self._servers.append(server)
            if self._is_down:
                server.refuse()
        return server.port

    def admit(self, admits: Admits) -> None:
        """From now on, ask who may use which session configuration."""
        self._service.admits = admits

    def be_down(self, *, is_down: bool) -> None:
        """Refuse all connections at all ports, or take them again."""
        with self._turn:
            if is_down == self._is_down:
                return
            self._is_down = is_down
            for server in self._servers:
                server.refuse() if is_down else server.accept()

    def traffic(self) -> int:
        """What crossed the sockets so far, both ways. Units: bytes."""
        return sum(server.traffic.byte_count for server in self._servers)

    def end_shells(self) -> None:
        """End all shells, as a restart of the service does; new ones may begin."""
        self._service.close()

    def close(self) -> None:
        """End shells, connections and listeners, and forget the users."""
        self._service.close()
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._users.close()

    def _converse(self, tls: HostTls | None, stream: socket.socket) -> Conversation:
        return DisturbedConversation(self._plain_talk(tls, stream), self._strikes)

    def _plain_talk(self, tls: HostTls | None, stream: socket.socket) -> Conversation:
        address = str(stream.getpeername()[0])

        def answering(message: bytes, user: str) -> tuple[int, bytes]:
            return self._service.answer(message, Caller(user, address))

        if tls is None:
            return NegotiatedConversation(self.name, self._users, answering)
        negotiated = NegotiatedConversation(self.name, self._users, answering, tls.bindings)
        return CertifiedConversation(tls.account_of(stream), negotiated, answering)
