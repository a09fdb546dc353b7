"""Logs: one pipeline for our lines and those of libraries, and the list of event names.

An event is a past fact, `noun.verb`, and a constant: what differs stands in fields. Ids are bound
once with `bound` and appear in every line of the thread that bound them. Levels: info = a promised
thing happened, warning = a promise is at risk, error = a promise is broken.

Secrets are kept out twice: values of telling keys are masked, and every secret that was resolved
is registered and replaced wherever it would appear in a finished line, in the encodings that
libraries print. A line is bounded and printable, tracebacks hold no local variables, and bytes are
shown by their length only.

The lowest floor: everything may log, so nothing of ours but errors is known here.
"""

from reconciler.logs.events import Event, Ids
from reconciler.logs.pipeline import Format, bound, configure, get_logger
from reconciler.logs.redaction import MASK, SECRETS, Secrets, register_secret

__all__ = [
    "MASK",
    "SECRETS",
    "Event",
    "Format",
    "Ids",
    "Secrets",
    "bound",
    "configure",
    "get_logger",
    "register_secret",
]
