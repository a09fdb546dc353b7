"""A server of the lab refuses, resets and falls silent as real ones do."""

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest

from reconciler.lab.wire.disturbances import Disturbance, DisturbedConversation, Strikes
from reconciler.lab.wire.http import HttpLimits, HttpServer, Request, Response

ASKED = b"POST /wsman HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
BODY = b"y" * 1000


class Answering:
    def answer(self, request: Request) -> Response:
        return Response(200, BODY if request.path == "/wsman" else b"")


@pytest.fixture
def serve() -> Iterator[Callable[..., HttpServer]]:
    made: list[HttpServer] = []

    def start(strikes: Strikes = lambda _: False) -> HttpServer:
        limits = HttpLimits(body_bytes=100, idle_s=20)
        made.append(
            HttpServer(
                ("127.0.0.1", 0), lambda _: DisturbedConversation(Answering(), strikes), limits
            )
        )
        return made[-1]

    yield start
    for server in made:
        server.close()


@contextlib.contextmanager
def connected(server: HttpServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        yield connection


def received(connection: socket.socket) -> bytes:
    """All that comes until the end, or until a reset."""
    whole = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 16):
            whole += data
    return whole


def test_a_server_that_refuses_cuts_what_was_open_and_keeps_its_port(
    serve: Callable[..., HttpServer],
) -> None:
    server = serve()
    port = server.port
    with connected(server) as connection:
        connection.sendall(ASKED)
        assert connection.recv(1 << 16)
        server.refuse()
        assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError), connected(server):
        pass

    server.accept()
    assert server.port == port
    with connected(server) as connection:
        connection.sendall(ASKED)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")


def test_a_server_that_refuses_can_be_closed(serve: Callable[..., HttpServer]) -> None:
    server = serve()
    server.refuse()
    server.close()

    with pytest.raises(ConnectionRefusedError), connected(server):
        pass


def test_a_reset_comes_in_the_middle_of_an_answer(serve: Callable[..., HttpServer]) -> None:
    server = serve(lambda what: what is Disturbance.RESET)
    with connected(server) as connection:
        connection.sendall(ASKED)

        whole = received(connection)

    assert whole.startswith(b"HTTP/1.1 200")
    assert whole.count(b"y") == len(BODY) // 2


def test_an_answer_that_says_nothing_is_no_place_for_a_reset(
    serve: Callable[..., HttpServer],
) -> None:
    server = serve(lambda what: what is Disturbance.RESET)
    with connected(server) as connection:
        connection.sendall(ASKED.replace(b"/wsman", b"/other"))

        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")


def test_silence_is_an_open_connection_on_which_nothing_comes(
    serve: Callable[..., HttpServer],
) -> None:
    server = serve(lambda what: what is Disturbance.SILENCE)
    with connected(server) as connection:
        connection.sendall(ASKED)
        connection.settimeout(0.3)

        with pytest.raises(TimeoutError):
            connection.recv(1)
