"""The errors of a store, and which errors of a database mean that it is away, busy or full."""

from __future__ import annotations

import peewee
import psycopg
from playhouse.cysqlite_ext import cysqlite
from playhouse.pool import MaxConnectionsExceeded

from service_kit.postgresql.sqlstates import means_unavailable, sqlstate_of
from service_kit.writability import write_problem

SQLITE_ERRORS = (peewee.DatabaseError, peewee.InterfaceError, cysqlite.DatabaseError)
"""peewee's for a statement that goes through it, cysqlite's own for one that goes around it."""

_UNAVAILABLE = (peewee.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError, MaxConnectionsExceeded)


class StoreSettingsError(Exception):
    """The store cannot be opened as the settings say. The message explains what to change."""


class WriterBusy(peewee.OperationalError):
    """Other writers of this process have used the store for too long."""


def is_unavailable(error: Exception) -> bool:
    """Return whether an error means that a store is away, busy or full, and not that a statement is wrong.

    SQLite raises OperationalError for both; a wrong statement has result code 1, SQLITE_ERROR: sqlite.org/rescode.html.
    """
    sqlstate = sqlstate_of(error)
    if sqlstate is not None and means_unavailable(sqlstate):
        return True
    if isinstance(error, MemoryError):
        return write_problem(error) is not None  # SQLite's, and not one of this program
    if isinstance(error, peewee.OperationalError):
        return "(code=1," not in str(error)
    return isinstance(error, _UNAVAILABLE)
