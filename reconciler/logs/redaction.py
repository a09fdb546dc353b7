"""Secrets of this process, and the forms in which they may be printed."""

import base64
import html
import json
import re
import urllib.parse
from threading import Lock

MASK = "***"
SHORTEST_SECRET = 4
"""Shorter ones would shred every line, and are no secrets."""

_SHORTEST_LINE = 8


class Secrets:
    """Texts that must never be printed, in every encoding that libraries print."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def register(self, secret: str) -> None:
        """Hide a secret from now on; one shorter than SHORTEST_SECRET is ignored."""
        parts = {secret, secret.strip()}
        parts |= {
            line.strip() for line in secret.splitlines() if len(line.strip()) >= _SHORTEST_LINE
        }
        forms = {form for part in parts if len(part) >= SHORTEST_SECRET for form in _forms(part)}
        with self._lock:
            self._forms |= {form for form in forms if len(form) >= SHORTEST_SECRET}
            # the longest first: a secret that begins with another one must not keep its tail
            longest_first = sorted(self._forms, key=len, reverse=True)
            if longest_first:
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        """The text with every registered secret masked."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)


SECRETS = Secrets()
"""Secrets of this process: logging is one for all of it, so this is too."""


def register_secret(text: str) -> None:
    """Keep a secret out of all log lines from now on; call it before the secret is used."""
    SECRETS.register(text)


def _forms(secret: str) -> set[str]:
    """The ways in which a secret may be printed."""
    raws = [secret.encode("utf-8", "surrogatepass"), secret.encode("utf-16-le", "surrogatepass")]
    quoted = {
        urllib.parse.quote(raws[0], safe=""),
        urllib.parse.quote(raws[0]),
        urllib.parse.quote_plus(raws[0]),
    }
    quoted |= {re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in quoted}
    printed = {secret, repr(secret)[1:-1], ascii(secret)[1:-1], json.dumps(secret)[1:-1]}
    printed |= {html.escape(secret), html.escape(secret, quote=False)}
    for raw in raws:
        printed |= {repr(raw)[2:-1], raw.hex(), raw.hex().upper()}
        printed |= _base64_forms(raw)
    # a finished JSON line escapes once more whatever text it holds
    forms = printed | quoted
    return forms | {json.dumps(form, ensure_ascii=False)[1:-1] for form in forms}


def _base64_forms(raw: bytes) -> set[str]:
    """The part of a base64 text that a secret determines, at each of the three alignments.

    `user:secret` of a Basic header begins anywhere in a group of three bytes.
    """
    forms: set[str] = set()
    for before in range(3):
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        whole = base64.b64encode(bytes(before) + raw).decode()
        form = whole[first:last]
        forms |= {form, form.replace("+", "-").replace("/", "_")}
    return forms
