"""The replica's head as an object: the newest recovery point, and where changes count from."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from reconciler.blocks.document import Document, from_bytes, to_bytes
from reconciler.blocks.layout import head_name
from reconciler.blocks.objects import Objects, damaged
from reconciler.model.names import (
    DataSourceId,
    DiskId,
    RctId,
    RecoveryPointId,
    ReferencePointId,
)
from reconciler.model.protection import Head

MOST_HEAD_BYTES: Final = 1 << 20

Text = Annotated[str, Meta(max_length=4096)]


class _Head(Document, frozen=True, kw_only=True):
    format: Literal["reconciler-head"] = "reconciler-head"
    version: Literal[1] = 1
    source: Text
    recovery_point: Text
    reference_point: Text | None
    rct_ids: dict[str, str]


def read_head(objects: Objects, source: DataSourceId) -> Head | None:
    """The head of a data source; None when it has no replica here.

    Raises:
        BlockDamagedError: It is not what `write_head` wrote for this source.
    """
    name = head_name(source)
    try:
        data = objects.document(name, MOST_HEAD_BYTES)
    except FileNotFoundError:
        return None
    document = from_bytes(_Head, data, name)
    if document.source != source:
        raise damaged(f"{name} is the head of {document.source}")
    reference = document.reference_point
    return Head(
        DataSourceId(document.source),
        RecoveryPointId(document.recovery_point),
        None if reference is None else ReferencePointId(reference),
        {DiskId(disk): RctId(rct) for disk, rct in document.rct_ids.items()},
    )


def write_head(objects: Objects, head: Head) -> None:
    """Replace the head of a data source; one that was read before stays whole until then."""
    document = _Head(
        source=head.source,
        recovery_point=head.recovery_point,
        reference_point=head.reference_point,
        rct_ids={str(disk): str(rct) for disk, rct in head.rct_ids.items()},
    )
    objects.put_document(head_name(head.source), to_bytes(document))
