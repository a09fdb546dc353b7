"""From version 1 to 2: doubts and checks, alerts by level, failures in a row, points dropped."""

from typing import Final

from sqlalchemy import Connection

_STATEMENTS: Final = (
    "ALTER TABLE volume ADD COLUMN points_dropped BIGINT DEFAULT '0' NOT NULL",
    "ALTER TABLE volume ADD COLUMN sweep_failed_at BIGINT",
    "ALTER TABLE volume ADD COLUMN sweep_problem TEXT DEFAULT '' NOT NULL",
    "ALTER TABLE replica ADD COLUMN checked_at BIGINT",
    "ALTER TABLE replica ADD COLUMN doubt TEXT DEFAULT '' NOT NULL",
    "ALTER TABLE replica ADD COLUMN doubted_during VARCHAR",
    "ALTER TABLE alert ADD COLUMN severity VARCHAR DEFAULT 'warning' NOT NULL",
    "ALTER TABLE alert ADD COLUMN hint TEXT DEFAULT '' NOT NULL",
    "ALTER TABLE alert ADD COLUMN host VARCHAR DEFAULT '' NOT NULL",
    """
    CREATE TABLE host_watch (
        host VARCHAR NOT NULL,
        booted_at BIGINT NOT NULL,
        last_event BIGINT NOT NULL,
        announced_at BIGINT,
        PRIMARY KEY (host)
    )
    """,
    """
    CREATE TABLE failing (
        data_source VARCHAR NOT NULL,
        kind VARCHAR NOT NULL,
        times BIGINT NOT NULL,
        last_at BIGINT NOT NULL,
        code VARCHAR NOT NULL,
        retry VARCHAR NOT NULL,
        message TEXT NOT NULL,
        PRIMARY KEY (data_source),
        FOREIGN KEY (data_source) REFERENCES data_source (id)
    )
    """,
    "CREATE INDEX job_by_end ON job (ended_at)",
    "CREATE INDEX ix_alert_resolved_at ON alert (resolved_at)",
    # version 1 compared all of a replica when it was created, and never again
    """
    UPDATE replica SET checked_at = (
        SELECT max(recovery_point.captured_at) FROM recovery_point
        WHERE recovery_point.data_source = replica.data_source
        AND recovery_point.cause = 'replica_creation'
    )
    """,
    """
    UPDATE replica SET doubt = coalesce((
        SELECT max(inconsistency.reason) FROM inconsistency
        WHERE inconsistency.data_source = replica.data_source
        AND inconsistency.ended_at IS NULL
    ), '') WHERE state = 'inconsistent'
    """,
)


def upgrade(connection: Connection) -> None:
    """Add what version 2 knows; what version 1 wrote stays as it is."""
    for statement in _STATEMENTS:
        connection.exec_driver_sql(statement)
