"""A pack's next generation without some of its slots."""

from collections.abc import Sequence

from reconciler.blocks.arrays import np
from reconciler.blocks.pack import HEADER_BYTES, PackIdentity, PackTable, table_and_footer


def without(
    identity: PackIdentity,
    table: PackTable,
    data: memoryview,
    slots: Sequence[int],
    generation: int,
) -> bytes:
    """The whole object; no slot moves to another place in the table.

    Stored blocks are copied as they are: nothing is opened, so nothing is sealed a second time, and
    what was damaged stays so, and is found by its tag or hash.

    Args:
        slots: What is left out.
        identity: Which pack.
        table: Its table so far.
        data: All bytes of the generation before.
        generation: Of the new object.
    """
    entries = table.entries.copy()
    entries["length"][list(slots)] = 0
    kept = np.flatnonzero(entries["length"])
    kept = kept[np.argsort(entries["offset"][kept], kind="stable")]
    starts, lengths = (entries[each][kept].astype(np.int64) for each in ("offset", "length"))
    entries["offset"] = 0
    entries["offset"][kept] = HEADER_BYTES + np.cumsum(lengths) - lengths
    places = zip(starts.tolist(), (starts + lengths).tolist(), strict=True)
    body = b"".join([identity.header(table.salt), *(data[start:end] for start, end in places)])
    left = PackTable(entries, table.key, table.salt)
    return body + table_and_footer(identity, left, len(body), generation)
