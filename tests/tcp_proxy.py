"""A way between client and host that delays, cuts and loses what crosses it."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

PIECE = 1 << 16
ABRUPTLY = struct.pack("ii", 1, 0)


class TcpProxy:
    """Passes connections on to one address; harmless until told otherwise. Close it at the end."""

    def __init__(self, target: tuple[str, int], address: str = "127.0.0.1") -> None:
        self._target = target
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(
            (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET
        )
        self.delay_s = 0.0
        self.bytes_until_cut: int | None = None
        self.is_losing = False
        self._start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def delay(self, seconds: float) -> None:
        """Hold up every piece, in both directions, for so long."""
        self.delay_s = seconds

    def cut_after(self, answer_bytes: int) -> None:
        """Cut each connection when so many more bytes of answers have passed in all."""
        self.bytes_until_cut = answer_bytes

    def lose(self) -> None:
        """Swallow all that comes, in both directions; connections stay open."""
        self.is_losing = True

    def restore(self) -> None:
        """Pass everything on again; connections that lost something are of no use any more."""
        self.delay_s = 0.0
        self.bytes_until_cut = None
        self.is_losing = False

    def close(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        while self._threads:
            self._threads.pop().join(5)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while not self._closing.is_set():
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._target, 5)
                except OSError:
                    self._reset(near)
                    continue
                far.settimeout(None)
                with self._lock:
                    self._open |= {near, far}
                self._start(self._talk, near, far)

    def _talk(self, near: socket.socket, far: socket.socket) -> None:
        back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
        back.start()
        self._pump(near, far, is_answer=False)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _pump(self, source: socket.socket, sink: socket.socket, *, is_answer: bool = True) -> None:
        """Pass on until one side ends, then end the other."""
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                if self.delay_s:
                    self._closing.wait(self.delay_s)
                if self.is_losing:
                    continue
                passed = self._passed(data) if is_answer else data
                sink.sendall(passed)
                if len(passed) < len(data):
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPTLY)
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _passed(self, data: bytes) -> bytes:
        with self._lock:
            if self.bytes_until_cut is None:
                return data
            passed = data[: self.bytes_until_cut]
            self.bytes_until_cut -= len(passed)
            return passed

    def _reset(self, near: socket.socket) -> None:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPTLY)
        near.close()


@pytest.fixture(scope="module")
def proxy_to() -> Iterator[Callable[[tuple[str, int]], TcpProxy]]:
    """Makes proxies to addresses; they live as long as the module's tests."""
    made: list[TcpProxy] = []

    def make(target: tuple[str, int]) -> TcpProxy:
        made.append(TcpProxy(target))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
