"""What a PostgreSQL error means for a caller and for the connection, by its SQLSTATE.

psycopg sorts errors into the classes of the DB-API by the first two characters of the SQLSTATE, which is too coarse: a
server that became read-only raises InternalError, a statement that a pooler lost raises ProgrammingError. The codes
are in postgresql.org/docs/current/errcodes-appendix.html.
"""

from __future__ import annotations

import psycopg

UNAVAILABLE_CLASSES = ("08", "40", "53", "57", "58")
"""Connection failure, transaction rolled back (deadlock), out of resources, operator intervention, system error."""

UNAVAILABLE = frozenset(
    {
        "25006",  # read_only_sql_transaction: the primary became a standby, or was made read-only
        "25P03",  # idle_in_transaction_session_timeout
        "25P04",  # transaction_timeout
        "26000",  # invalid_sql_statement_name: a pooler in transaction mode answered from another session
        "3D000",  # invalid_catalog_name: the database is being made again
        "3F000",  # invalid_schema_name: the same
        "42P01",  # undefined_table: the same, the tables are not restored yet
        "42P05",  # duplicate_prepared_statement: a pooler handed over a session that it did not reset
        "55006",  # object_in_use
        "55P03",  # lock_not_available
    }
)

CONNECTION_AT_FAULT_CLASSES = ("08", "57")
CONNECTION_AT_FAULT = frozenset({"25006", "25P03", "25P04", "26000", "42P05"})
STATEMENT_CANCELED = "57014"
READ_ONLY = "25006"


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error of psycopg, or of one of peewee's that wraps it; None where there is none."""
    original = getattr(error, "orig", error)
    return original.sqlstate if isinstance(original, psycopg.Error) else None


def means_unavailable(sqlstate: str) -> bool:
    """Whether the database is away, busy, full or being restored, so that the same call can work later."""
    return sqlstate in UNAVAILABLE or sqlstate.startswith(UNAVAILABLE_CLASSES)


def connection_is_at_fault(sqlstate: str | None) -> bool:
    """Whether another connection may work where this one does not. Without an SQLSTATE, the connection broke."""
    if sqlstate is None:
        return True
    if sqlstate == STATEMENT_CANCELED:
        return False
    return sqlstate in CONNECTION_AT_FAULT or sqlstate.startswith(CONNECTION_AT_FAULT_CLASSES)
