"""Documents: what may be in them (FORMAT.md, sections 3, 4, 8 and 9)."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

MOST_64_BITS = (1 << 64) - 1
MOST_DISK_BYTES = 64 << 40
POWERS_TO_4_MIB = tuple(1 << n for n in range(9, 23))
TRAILER_BYTES = 66

Check = Callable[[Any], None]


class Refused(Exception):  # noqa: N818 (a reader refuses; whether that is an error, the caller says)
    """What a reader must not accept."""


def require(is_so: bool, message: str) -> None:  # noqa: FBT001
    if not is_so:
        raise Refused(message)


def exactly(*values: object) -> Check:
    def check(value: object) -> None:
        require(any(value == v and type(value) is type(v) for v in values), f"{value!r}")

    return check


def number(least: int, most: int = MOST_64_BITS) -> Check:
    def check(value: object) -> None:
        require(type(value) is int and least <= value <= most, f"not in {least}..{most}: {value!r}")

    return check


def text(pattern: str = r"(?s).{0,4096}") -> Check:
    def check(value: object) -> None:
        require(isinstance(value, str) and re.fullmatch(pattern, value) is not None, f"{value!r}")

    return check


def or_null(what: Check) -> Check:
    def check(value: object) -> None:
        if value is not None:
            what(value)

    return check


def many(what: Check) -> Check:
    def check(value: object) -> None:
        require(isinstance(value, list), f"no array: {value!r}")
        for each in value if isinstance(value, list) else ():
            what(each)

    return check


def texts(value: object) -> None:
    require(
        isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
        f"no object of strings: {value!r}",
    )


def record(**fields: Check) -> Check:
    def check(value: object) -> None:
        require(isinstance(value, dict), f"no object: {value!r}")
        if isinstance(value, dict):
            require(value.keys() == fields.keys(), f"keys {sorted(value.keys() ^ fields.keys())}")
            for key, what in fields.items():
                what(value[key])

    return check


HEADER = record(
    format=exactly("reconciler-repository"),
    version=exactly(1),
    repository=text(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    block_bytes=exactly(*POWERS_TO_4_MIB),
    node_fan_out=exactly(*(1 << n for n in range(1, 17))),
    hash=exactly("sha256"),
    encryption=exactly("none", "aes-256-gcm"),
)

KEY = record(
    format=exactly("reconciler-key"),
    version=exactly(1),
    derivation=exactly("scrypt", "hmac"),
    salt=text(r"[0-9a-f]{64}"),
    cost=number(1, 1 << 20),
    block_size=number(1, 32),
    parallelism=number(1, 16),
    nonce=text(r"[0-9a-f]{24}"),
    sealed=text(r"[0-9a-f]{96}"),
)

HEAD = record(
    format=exactly("reconciler-head"),
    version=exactly(1),
    source=text(),
    recovery_point=text(),
    reference_point=or_null(text()),
    rct_ids=texts,
)


def by_number(what: Check) -> Check:
    """An object whose keys are decimal numbers from 1."""

    def check(value: object) -> None:
        require(isinstance(value, dict), f"no object: {value!r}")
        for key, each in value.items() if isinstance(value, dict) else ():
            text(r"[1-9][0-9]{0,8}")(key)
            what(each)

    return check


DRAFT = record(
    format=exactly("reconciler-draft"),
    version=exactly(1),
    source=text(),
    owner=text(r"|[^:]+:[0-9]+:[^:]+"),
    token=text(),
    writer=number(1, 65535),
    first=number(1, 1 << 28),
    begun_at=number(0),
    obeys=by_number(number(0)),
    job=text(),
)

CONDEMNATION = record(
    format=exactly("reconciler-condemnation"),
    version=exactly(1),
    writer=number(1, 65535),
    number=number(0),
    packs=by_number(many(number(0, (1 << 20) - 1))),
)

_BYTES = number(0, MOST_DISK_BYTES)

MANIFEST = record(
    format=exactly("reconciler-manifest"),
    version=exactly(1),
    writer=number(1, 65535),
    statistics=record(bytes_read=number(0), bytes_stored=number(0), blocks_new=number(0)),
    point=record(
        id=text(),
        source=text(),
        key=record(
            vm_id=text(),
            role=exactly("primary", "replica", "extended_replica", "test_replica"),
        ),
        machine_name=text(),
        host=text(),
        group=text(),
        cause=record(
            kind=exactly("replica_creation", "slot", "request", "consistency_check"),
            slot_at=or_null(number(0)),
        ),
        consistency=exactly("application", "file_system", "crash", "offline"),
        captured_at=number(0),
        job=text(),
        policy_digest=text(),
        policy_commit=text(),
        base=or_null(text()),
        configuration_files=texts,
    ),
    disks=many(
        record(
            description=record(
                id=text(),
                slot=record(
                    controller_type=text(), controller_number=number(0), location=number(0)
                ),
                virtual_disk_id=text(),
                geometry=record(
                    virtual_bytes=number(1, MOST_DISK_BYTES),
                    logical_sector_bytes=_BYTES,
                    physical_sector_bytes=_BYTES,
                    format=exactly("VHD", "VHDX"),
                    format_block_bytes=_BYTES,
                ),
                left_out=many(record(start=_BYTES, end=_BYTES, reason=text())),
            ),
            block_bytes=exactly(*POWERS_TO_4_MIB),
            block_count=number(1),
            fan_out=number(2, 1 << 16),
            height=number(1, 64),
            root=number(0),
        )
    ),
)


def content(data: bytes) -> dict[str, Any]:
    """The JSON of a document, its checksum compared."""
    line, trailer = data[:-TRAILER_BYTES], data[-TRAILER_BYTES:]
    require(trailer == b"\n%b\n" % hashlib.sha256(line).hexdigest().encode(), "checksum")
    require(b"\n" not in line, "more than one line")
    try:
        found = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(f"no JSON: {error}") from error
    require(isinstance(found, dict), "no JSON object")
    return dict(found)


def checked(data: bytes, what: Check) -> Mapping[str, Any]:
    """A document of one kind; its version is looked at before all other keys."""
    found = content(data)
    require(found.get("version") == 1, f"version {found.get('version')!r}")
    what(found)
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)
