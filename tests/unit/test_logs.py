import base64
import io
import json
import logging
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from reconciler import logs
from reconciler.errors import HostUnreachableError, SettingsError
from reconciler.logs import (
    Event,
    Secrets,
    bound,
    cleaning,
    configure,
    get_logger,
    redaction,
    register_secret,
)

AWKWARD = 'pä"ss/w\\rd+1 &x'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fail(error: Exception) -> NoReturn:
    raise error


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging belongs to the whole process: give it back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    fresh = Secrets()
    for module in (redaction, cleaning, logs.pipeline):
        monkeypatch.setattr(module, "SECRETS", fresh)
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def json_out() -> io.StringIO:
    """Not a fixture: pytest adds a handler of its own after those."""
    stream = io.StringIO()
    configure("DEBUG", "json", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_time_level_and_event_first_and_the_ids_that_are_bound() -> None:
    out = json_out()
    with bound(vm="erp", job="j1"):
        get_logger().info(Event.JOB_FINISHED, bytes_read=5)
    get_logger().warning(Event.HOST_SILENT, host="hv1")

    first, second = lines(out)
    assert list(first)[:3] == ["timestamp", "level", "event"]
    assert first["timestamp"].endswith("Z")
    assert (first["level"], first["event"], first["bytes_read"]) == ("info", "job.finished", 5)
    assert (first["vm"], first["job"]) == ("erp", "j1")
    assert "vm" not in second
    assert second["host"] == "hv1"


def test_lines_of_libraries_take_the_same_way() -> None:
    out = json_out()
    with bound(host="hv1"):
        logging.getLogger("some.library").info("read %d of %s", 3, "disk", extra={"size": 7})

    (line,) = lines(out)
    assert (line["event"], line["logger"]) == ("read 3 of disk", "some.library")
    assert (line["host"], line["size"]) == ("hv1", 7)


@pytest.mark.parametrize("name", ["psrpcore", "spnego", "urllib3.connectionpool", "apscheduler"])
def test_noisy_libraries_are_heard_from_warnings_on(name: str) -> None:
    out = json_out()
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("trouble")

    assert [line["event"] for line in lines(out)] == ["trouble"]


def test_a_noisy_library_is_no_louder_than_everything_else() -> None:
    stream = io.StringIO()
    configure("ERROR", "json", stream)
    logging.getLogger("psrpcore").warning("trouble")
    get_logger().warning(Event.HOST_SILENT)

    assert stream.getvalue() == ""


def test_warnings_of_python_are_lines_too() -> None:
    out = json_out()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old ways", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    assert "old ways" in lines(out)[0]["event"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(SettingsError, match="loud") as caught:
        configure("loud")

    assert "info" in caught.value.hint


def test_an_error_of_ours_brings_its_code_and_hint() -> None:
    out = json_out()
    try:
        fail(HostUnreachableError("hv1 did not answer", hint="check WinRM"))
    except HostUnreachableError:
        get_logger().exception(Event.JOB_FAILED)

    (line,) = lines(out)
    assert (line["error_code"], line["hint"]) == ("host.unreachable", "check WinRM")
    assert line["exception"][0]["exc_value"] == "hv1 did not answer"


def test_a_terminal_gets_text_in_colour_unless_it_does_not_want_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coloured, plain = Terminal(), Terminal()
    configure(stream=coloured)
    get_logger().info(Event.PASS_STARTED)
    monkeypatch.setenv("NO_COLOR", "1")
    configure(stream=plain)
    get_logger().info(Event.PASS_STARTED)

    assert "\x1b[" in coloured.getvalue()
    assert "\x1b[" not in plain.getvalue()
    assert "pass.started" in plain.getvalue()
    assert not plain.getvalue().startswith("{")


def test_a_name_from_a_host_can_neither_steer_a_terminal_nor_forge_a_line() -> None:
    stream = io.StringIO()
    configure(fmt="console", stream=stream)
    get_logger().info(Event.PASS_STARTED, vm="a\x1b[2J\x9b\u202e\r\nlevel=info event=forged")

    (line,) = stream.getvalue().splitlines()
    assert "forged" in line
    assert not set("\x1b\x9b\u202e\r") & set(line)


def test_values_that_are_no_json_are_shown_and_bounded() -> None:
    out = json_out()

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    deep: list[Any] = []
    for _ in range(1000):
        deep = [deep]
    loop: dict[str, Any] = {}
    loop["self"] = loop
    get_logger().info(
        Event.PASS_STARTED,
        broken=Broken(),
        huge=1 << 80,
        nan=float("nan"),
        half="\ud800",
        long="x" * 1_000_000,
        many=list(range(1000)),
        deep=deep,
        loop=loop,
        data=b"1234",
        **{"1": {1: 2}},
    )

    (line,) = lines(out)
    assert line["broken"] == "an unprintable Broken"
    assert line["huge"] == str(1 << 80)
    assert line["data"] == "4 bytes"
    assert line["many"][-1] == "and 900 more"
    assert len(out.getvalue()) < 40_000


def test_a_record_that_cannot_be_rendered_says_nothing_of_its_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = json_out()
    logging.getLogger("some.library").warning("%d", "the argument")

    assert "the argument" not in out.getvalue() + "".join(capsys.readouterr())
    assert lines(out)[0]["logger"] == "some.library"


# --- secrets -------------------------------------------------------------------------------------


@dataclass
class Holder:
    word: str


def log_value(secret: str) -> None:
    get_logger().info(Event.PASS_STARTED, note=f"it is {secret}!")


def log_event(secret: str) -> None:
    get_logger().info(secret)


def log_key(secret: str) -> None:
    get_logger().info(Event.PASS_STARTED, **{secret: 1})


def log_nested(secret: str) -> None:
    value = {"a": [{"b": (secret, {secret: {secret}})}]}
    get_logger().info(Event.PASS_STARTED, nested=value)


def log_object(secret: str) -> None:
    get_logger().info(Event.PASS_STARTED, holder=Holder(secret))


def log_bytes(secret: str) -> None:
    get_logger().info(Event.PASS_STARTED, data=secret.encode(), more=[secret.encode()])


def log_bound(secret: str) -> None:
    with bound(vm=secret):
        get_logger().info(Event.PASS_STARTED)


def log_exception(secret: str) -> None:
    try:
        try:
            fail(KeyError(secret))
        except KeyError as first:
            error = ValueError(f"cannot log in with {secret}")
            error.add_note(f"tried {secret}")
            raise error from first
    except ValueError:
        get_logger().exception(Event.JOB_FAILED)


def log_error_of_ours(secret: str) -> None:
    try:
        fail(HostUnreachableError(f"no {secret}", hint=f"try {secret}", word=secret))
    except HostUnreachableError:
        get_logger().exception(Event.JOB_FAILED)


def log_group(secret: str) -> None:
    try:
        fail(ExceptionGroup(secret, [ValueError(secret), OSError(5, secret, secret)]))
    except ExceptionGroup:
        get_logger().exception(Event.JOB_FAILED)


def log_foreign(secret: str) -> None:
    logging.getLogger("lib").warning("sent %s and %r and %s", secret, secret, {"k": secret})


def log_foreign_bytes(secret: str) -> None:
    raw = secret.encode()
    logging.getLogger("lib").warning("sent %s and %r", raw, secret.encode("utf-16-le"))


def log_foreign_exception(secret: str) -> None:
    try:
        fail(OSError(5, secret, f"/srv/{secret}"))
    except OSError:
        logging.getLogger("lib").exception("failed", stack_info=True, extra={"also": secret})


def log_foreign_failure(secret: str) -> None:
    logging.getLogger("lib").warning("%d", secret)


def log_header(secret: str) -> None:
    basic = base64.b64encode(f"user:{secret}".encode()).decode()
    logging.getLogger("lib").warning("Basic %s", basic)


def log_encodings(secret: str) -> None:
    raw, wide = secret.encode(), secret.encode("utf-16-le")
    texts = [raw.hex(), wide.hex().upper(), json.dumps(secret), ascii(secret)]
    texts += [base64.b64encode(raw).decode(), base64.urlsafe_b64encode(wide).decode()]
    texts += [urllib.parse.quote(secret), urllib.parse.quote_plus(secret)]
    texts += [urllib.parse.quote(secret, safe="").lower(), secret.replace("&", "&amp;")]
    logging.getLogger("lib").warning(" ".join(texts))
    get_logger().info(Event.PASS_STARTED, texts=texts)


WAYS: list[Callable[[str], None]] = [
    log_value,
    log_event,
    log_key,
    log_nested,
    log_object,
    log_bytes,
    log_bound,
    log_exception,
    log_error_of_ours,
    log_group,
    log_foreign,
    log_foreign_bytes,
    log_foreign_exception,
    log_foreign_failure,
    log_header,
    log_encodings,
]


def traces(secret: str) -> dict[str, str]:
    """Pieces of a secret and of its encodings, which no innocent line has."""
    raw, wide = secret.encode(), secret.encode("utf-16-le")
    escaped = json.dumps(secret, ensure_ascii=False)[1:-1]
    return {
        "itself": secret,
        "escaped": escaped,
        "escaped twice": json.dumps(escaped, ensure_ascii=False)[1:-1],
        "ascii": ascii(secret)[1:-1],
        "hex": raw.hex(),
        "wide hex": wide.hex().upper(),
        "base64": base64.b64encode(raw).decode()[:8],
        "wide base64": base64.urlsafe_b64encode(wide).decode()[:8],
        "header": base64.b64encode(f"user:{secret}".encode()).decode()[8:16],
        "quoted": urllib.parse.quote(secret, safe=""),
        "plus": urllib.parse.quote_plus(secret),
        "bytes": repr(raw)[2:-1],
        "wide bytes": repr(wide)[2:-1],
    }


@pytest.mark.parametrize("fmt", ["json", "console"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("secret", [AWKWARD, "hunter2hunter2", "123456"])
def test_a_registered_secret_appears_nowhere(
    way: Callable[[str], None], fmt: logs.Format, secret: str, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    configure("DEBUG", fmt, stream)
    register_secret(secret)

    way(secret)

    text = stream.getvalue() + "".join(capfd.readouterr())
    assert stream.getvalue()
    assert [name for name, piece in traces(secret).items() if piece in text] == []
    if fmt == "json":
        assert all(json.loads(line) for line in stream.getvalue().splitlines())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_of_these_ways_would_show_a_text_that_is_no_secret(way: Callable[[str], None]) -> None:
    """Else the test above could not fail."""
    out = json_out()
    if way in {log_bytes, log_foreign_failure}:
        pytest.skip("shows nothing of its arguments, secret or not")
    way("hunter2hunter2")

    assert any(piece in out.getvalue() for piece in traces("hunter2hunter2").values())


def test_a_secret_that_is_a_number_is_masked_where_it_is_one() -> None:
    out = json_out()
    register_secret("123456")
    get_logger().info(Event.PASS_STARTED, pin=123456, other=1234)

    assert (lines(out)[0]["pin"], lines(out)[0]["other"]) == ("***", 1234)


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "hostPassword",
        "X-Auth-Token",
        "client_secret",
        "Authorization",
        "apiKey",
        "account_key",
        "SharedKey",
        "db.passwd",
        "credentials",
        "private_keys",
        "pwd",
        "Set-Cookie",
        "connection_string",
    ],
)
def test_values_of_telling_keys_are_masked_at_any_depth(key: str) -> None:
    out = json_out()
    get_logger().info(Event.PASS_STARTED, **{key: "unregistered", "nested": [{key: {"a": 1}}]})

    assert "unregistered" not in out.getvalue()
    assert lines(out)[0]["nested"][0][key] == "***"


@pytest.mark.parametrize("key", ["tokenizer", "keyboard", "passes", "disaster", "monkey", "vm"])
def test_values_of_other_keys_are_shown(key: str) -> None:
    out = json_out()
    get_logger().info(Event.PASS_STARTED, **{key: "shown"})

    assert lines(out)[0][key] == "shown"


def test_no_secret_of_four_characters_or_more_passes() -> None:
    secrets = Secrets()
    secrets.register("abc")
    assert secrets.redact("abc") == "abc"
    secrets.register("abcd")
    assert secrets.redact("abc abcd") == "abc ***"


def test_a_secret_that_begins_with_another_keeps_no_tail() -> None:
    secrets = Secrets()
    secrets.register("hunter2")
    secrets.register("hunter2-admin")

    assert secrets.redact("hunter2-admin hunter2") == "*** ***"


def test_the_lines_of_a_key_file_are_secrets_each() -> None:
    secrets = Secrets()
    secrets.register("-----BEGIN KEY-----\nMIIabcdefgh\n-----END KEY-----\n")

    assert "MIIabcdefgh" not in secrets.redact("  | MIIabcdefgh\n  | more")


@given(
    secret=st.text(min_size=4, max_size=12).filter(lambda s: len(s.strip()) >= 4),
    before=st.text(max_size=5),
    after=st.text(max_size=5),
)
def test_whatever_the_secret_its_base64_is_found_at_any_alignment(
    secret: str, before: str, after: str
) -> None:
    secrets = Secrets()
    try:
        secrets.register(secret)
        raw = secret.encode()
    except UnicodeEncodeError:
        return
    start = before.encode("utf-8", "surrogatepass")
    whole = base64.b64encode(start + raw + after.encode("utf-8", "surrogatepass")).decode()

    assert secrets.redact(whole) != whole
    assert secret not in secrets.redact(f"<{secret}>")


@pytest.mark.parametrize("name", ["pypsrp.wsman", "smbprotocol.connection"])
def test_libraries_that_log_what_they_also_raise_are_not_heard(name: str) -> None:
    out = json_out()
    logging.getLogger(name).error("ReadTimeout during initial authentication request")

    assert lines(out) == []
