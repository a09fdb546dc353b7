"""structlog through the standard library, so that libraries' lines take the same way."""

import json
import logging
import os
import sys
from contextlib import AbstractContextManager
from typing import Any, Literal, TextIO, Unpack

import orjson
import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from reconciler.errors import ReconcilerError, SettingsError
from reconciler.logs.cleaning import cleaned
from reconciler.logs.events import Ids
from reconciler.logs.redaction import SECRETS

Format = Literal["auto", "json", "console"]

_NOISY = ("apscheduler", "psrpcore", "requests", "spnego", "urllib3", "watchfiles")
_LOUD = ("pypsrp", "smbprotocol")
"""They log each failure as an error with its traceback, and raise it too: we tell it once."""


def bound(**ids: Unpack[Ids]) -> AbstractContextManager[None]:
    """Put ids into every line of this thread until the block ends."""
    return structlog.contextvars.bound_contextvars(**ids)


def get_logger() -> BoundLogger:
    """A logger that is named after the module which uses it."""
    return structlog.stdlib.get_logger()


def configure(level: str = "INFO", fmt: Format = "auto", stream: TextIO | None = None) -> None:
    """Send all lines, ours and libraries', to one stream (standard error) in one form.

    JSON, or coloured text where the stream is a terminal; `NO_COLOR` takes the colours away.

    Raises:
        SettingsError: There is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if not number:
        raise SettingsError(
            f"there is no log level {level}", hint="use debug, info, warning or error"
        )
    out = sys.stderr if stream is None else stream
    is_console = fmt == "console" or (fmt == "auto" and out.isatty())
    handler = _Handler(out)
    handler.setFormatter(_formatter(is_console=is_console, has_colours=out.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    for name in _LOUD:
        logging.getLogger(name).setLevel(max(number, logging.CRITICAL))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; the standard one would print the arguments of a record that it cannot."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        line = {"level": "error", "event": "a log line could not be written", "logger": record.name}
        try:
            self.stream.write(json.dumps(line) + self.terminator)
        except (OSError, ValueError):
            return  # there is nobody left to tell


class _Formatter(ProcessorFormatter):
    """Masks secrets a last time, in the finished line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, or a console's lines."""
        return SECRETS.redact(super().format(record))


def _formatter(*, is_console: bool, has_colours: bool) -> _Formatter:
    tail: list[Processor]
    if is_console:
        tail = [
            structlog.processors.format_exc_info,
            _clean,
            _one_line,
            structlog.dev.ConsoleRenderer(
                colors=has_colours and not os.environ.get("NO_COLOR"),
                exception_formatter=structlog.dev.plain_traceback,
                sort_keys=False,
            ),
        ]
    else:
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
        tail = [
            structlog.processors.ExceptionRenderer(frames),
            _clean,
            _ordered,
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    return _Formatter(
        foreign_pre_chain=_shared(),
        processors=[ProcessorFormatter.remove_processors_meta, _error_facts, *tail],
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _error_facts(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Code and hint of an error of ours, beside its traceback."""
    info = event.get("exc_info")
    error = info[1] if isinstance(info, tuple) else sys.exception() if info is True else info
    if isinstance(error, ReconcilerError):
        return {"error_code": error.code, "hint": error.hint, **event}
    return event


def _clean(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    return cleaned(event)


def _one_line(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """A text from a host must not be able to forge a line."""
    whole = {"exception", "stack"}
    return {
        key: value.replace("\n", "\\n") if isinstance(value, str) and key not in whole else value
        for key, value in event.items()
    }


def _ordered(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    head = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**head, **event}


def _json(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event).decode()
