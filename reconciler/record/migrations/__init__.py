"""Steps from one version of the catalogue's schema to the next.

Step n turns a catalogue of version n into one of version n + 1 and runs in the transaction that
also writes the new version, so a killed upgrade has not happened. A step never changes once it
was released, and spells out its SQL: the tables of today are not those of its day. Decided against
Alembic: it costs more than a second at each start, for a list of functions.
"""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from reconciler.record.migrations import from_1, from_2

Migration = Callable[[Connection], None]

MIGRATIONS: Mapping[int, Migration] = {1: from_1.upgrade, 2: from_2.upgrade}
"""Version to start from → the step."""
