"""From version 2 to 3: how much volumes and replicas have stored."""

from typing import Final

from sqlalchemy import Connection

_STATEMENTS: Final = (
    "ALTER TABLE volume ADD COLUMN stored_bytes BIGINT",
    "ALTER TABLE recovery_point ADD COLUMN damage TEXT",
    "ALTER TABLE replica ADD COLUMN created_bytes BIGINT",
    """
    UPDATE replica SET created_bytes = (
        SELECT max(recovery_point.bytes_stored) FROM recovery_point
        WHERE recovery_point.data_source = replica.data_source
        AND recovery_point.cause = 'replica_creation'
    )
    """,
)


def upgrade(connection: Connection) -> None:
    """Add what version 3 knows; a volume is measured when it is opened next."""
    for statement in _STATEMENTS:
        connection.exec_driver_sql(statement)
