"""What a store tells of the recovery points in the making. See FORMAT.md, section 10."""

from collections.abc import Collection
from datetime import timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from reconciler.blocks.document import Document, Moment, from_bytes, to_bytes
from reconciler.blocks.layout import END_SEQUENCE, FIRST_SEQUENCE, FIRST_WRITER, LAST_WRITER
from reconciler.blocks.objects import Objects
from reconciler.owner import Life, life_of, this_owner

SILENCE: Final = timedelta(minutes=30)
"""By the clock of the store: whose process cannot be looked at is dead after so long without a
beat. Owners beat every two minutes."""
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
    """0 as long as the record is the first one: then it began when the object was written."""
    obeys: dict[str, Annotated[int, Meta(ge=0)]]
    """Writer → number of the condemnation that was read before any block was looked for."""
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


def put_draft(objects: Objects, name: str, record: DraftRecord) -> None:
    """Write or replace a record."""
    objects.put_document(name, to_bytes(record))


def is_dead(record: DraftRecord, silent_for: timedelta, alive: Collection[str]) -> bool:
    """Whether nobody works at a draft any more.

    Args:
        record: The draft.
        silent_for: How long ago it was written last, by the clock of the store.
        alive: Tokens of this process' own drafts.
    """
    if not record.owner:
        return True
    if record.owner == this_owner():
        return record.token not in alive
    life = life_of(record.owner)
    return life is Life.DEAD or (life is Life.UNKNOWN and silent_for >= SILENCE)


def left_behind(record: DraftRecord) -> DraftRecord:
    """What is left of a draft at which nobody works any more."""
    return msgspec.structs.replace(record, owner="", token="", obeys={})
