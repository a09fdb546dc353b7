"""What a store tells of the recovery points in the making. See FORMAT.md, section 10."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from msgspec import Meta

from reconciler.blocks.document import Document, Moment, from_bytes, to_bytes
from reconciler.blocks.layout import (
    DRAFTS,
    END_SEQUENCE,
    FIRST_SEQUENCE,
    FIRST_WRITER,
    LAST_WRITER,
)
from reconciler.blocks.objects import Objects
from reconciler.errors import BlockDamagedError
from reconciler.owner import Life, life_of

SILENCE: Final = timedelta(hours=1)
"""By the clock of the store: whose process cannot be looked at is dead after so long without a
beat. Owners beat every few minutes."""
ABANDONED: Final = timedelta(days=7)
"""What a dead draft has stored is kept so long for the next one of its data source."""
MOST_DRAFT_BYTES: Final = 1 << 20

Text = Annotated[str, Meta(max_length=4096)]


class DraftRecord(Document, frozen=True, kw_only=True):
    """A draft, and who makes it."""

    format: Literal["reconciler-draft"] = "reconciler-draft"
    version: Literal[1] = 1
    source: Text
    """Empty for a draft that no data source has a name for."""
    owner: Text
    """Empty when nobody works at it any more."""
    token: Text
    """Of this very draft: an owner that finds another one has lost it."""
    writer: Annotated[int, Meta(ge=FIRST_WRITER, le=LAST_WRITER)]
    first: Annotated[int, Meta(ge=FIRST_SEQUENCE, le=END_SEQUENCE)]
    """Its packs, and those of the dead draft that it goes on with, begin with this sequence."""
    begun_at: Moment
    obeys: dict[str, Annotated[int, Meta(ge=0)]]
    """Writer → number of the condemnation that it had read before it looked for any block."""
    job: Text


def read_draft(objects: Objects, name: str) -> DraftRecord | None:
    """The record of a draft; None when there is none.

    Raises:
        BlockDamagedError: It is no record.
    """
    try:
        return from_bytes(DraftRecord, objects.document(name, MOST_DRAFT_BYTES), name)
    except FileNotFoundError:
        return None


def put_draft(objects: Objects, name: str, record: DraftRecord) -> datetime:
    """Write or replace a record; when that was, by the clock of the store."""
    objects.put_document(name, to_bytes(record))
    return objects.modified_at(name)


def is_dead(record: DraftRecord, beat_at: datetime, now: datetime, alive: set[str]) -> bool:
    """Whether nobody works at a draft any more.

    Args:
        record: The draft.
        beat_at: When it was written last.
        now: The time of the store.
        alive: Tokens of this process' own drafts.
    """
    if not record.owner:
        return True
    life = life_of(record.owner)
    if life is Life.ALIVE and is_this_process(record.owner):
        return record.token not in alive
    return life is Life.DEAD or (life is Life.UNKNOWN and now - beat_at >= SILENCE)


def living_drafts(
    objects: Objects, now: datetime, alive: set[str]
) -> Iterator[tuple[str, DraftRecord]]:
    """All drafts by their names; those of dead owners are broken, so they have none any more.

    What they stored stays for a while for the next draft of their data source.

    Raises:
        BlockDamagedError: A record is damaged, and may be of a living draft.
    """
    for name in list(objects.names(DRAFTS)):
        try:
            beat_at = objects.modified_at(name)
            record = read_draft(objects, name)
        except FileNotFoundError:
            continue
        except BlockDamagedError:
            if now - beat_at < SILENCE:
                raise
            record = None
            objects.delete(name)
        if record is None:
            continue
        if not is_dead(record, beat_at, now, alive):
            yield name, record
        elif not record.source or now - beat_at >= ABANDONED:
            objects.delete(name)
        else:
            if record.owner:
                record = left_behind(record)
                put_draft(objects, name, record)
            yield name, record


def left_behind(record: DraftRecord) -> DraftRecord:
    """What is left of a draft at which nobody works any more."""
    return DraftRecord(
        source=record.source,
        owner="",
        token="",
        writer=record.writer,
        first=record.first,
        begun_at=record.begun_at,
        obeys={},
        job=record.job,
    )
