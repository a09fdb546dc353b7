"""Requests are bounded, answers are whole."""

import io

import pytest

from reconciler.lab.wire.http import BadRequestError, Request, Response, read_request, rendered

HEAD = b"POST /wsman HTTP/1.1\r\nHost: h\r\n"


def read(raw: bytes) -> Request | None:
    return read_request(io.BytesIO(raw), 100)


def test_a_request_is_read_with_its_body_and_no_more() -> None:
    request = read(HEAD + b"Content-Length: 4\r\nX-Y:  z \r\n\r\nbodyPOST")

    assert request == Request(
        "POST", "/wsman", {"host": "h", "content-length": "4", "x-y": "z"}, b"body"
    )


@pytest.mark.parametrize("raw", [b"", HEAD + b"Content-Length: 4\r\n\r\nbo"])
def test_a_cut_connection_is_the_end(raw: bytes) -> None:
    assert read(raw) is None


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01 a TLS hello\r\n", 400),
        (b"POST /wsman HTTP/1.0\r\n\r\n", 400),
        (HEAD + b"no colon\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 411),
        (HEAD + b"Content-Length: -1\r\n\r\n", 411),
        (HEAD + b"Content-Length: 101\r\n\r\n", 413),
        (HEAD + b"X: " + b"y" * 20_000 + b"\r\n\r\n", 431),
        (HEAD + b"X: y\r\n" * 100 + b"\r\n", 431),
    ],
)
def test_a_request_beyond_the_bounds_is_refused_with_its_status(raw: bytes, status: int) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(raw)

    assert caught.value.status == status


def test_an_answer_is_one_piece_with_its_length() -> None:
    raw = rendered(Response(401, b"abc", {"WWW-Authenticate": "Negotiate"}, is_last=True))

    head, _, body = raw.partition(b"\r\n\r\n")
    assert body == b"abc"
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 401 Unauthorized"
    assert {b"Content-Length: 3", b"WWW-Authenticate: Negotiate", b"Connection: close"} <= set(
        head.split(b"\r\n")
    )
