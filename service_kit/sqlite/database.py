"""A SQLite file as peewee's database."""

from __future__ import annotations

import time
from typing import Any

import peewee
from playhouse.cysqlite_ext import CySqliteDatabase, cysqlite

from service_kit.sqlite.run import prepare_connection


class SqliteFile(CySqliteDatabase):  # type: ignore[misc]
    """SQLite. Processes that open a new file at the same time wait for one another.

    The first of them makes it a WAL file. The others get an error at once, as the file is locked: SQLite's timeout for
    statements does not apply there.
    """

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Open this thread's connection, after another process has made the file."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                opened: bool = super().connect(reuse_if_open)
            except peewee.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return opened

    def _add_conn_hooks(self, conn: Any) -> None:
        # Built with STAT4, SQLite plans a statement again each time that it is bound to another value for an index, as
        # the statistics could make another plan better. There are no statistics here, and planning takes longer than
        # many searches. See SQLITE_DBCONFIG_ENABLE_QPSG in sqlite.org/c3ref/c_dbconfig_defensive.html.
        conn.db_config(cysqlite.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        prepare_connection(conn)
        super()._add_conn_hooks(conn)

    def rollback(self) -> None:
        """Roll back, unless SQLite has done so by itself, as it does at a full disk.

        A second ROLLBACK would fail with "no transaction is active", and hide the error that ended the transaction.
        """
        if self.is_closed() or self.connection().in_transaction:
            super().rollback()

    def savepoint(self) -> Any:
        """Begin a savepoint, for `atomic` within a transaction."""
        return _Savepoint(self)


class _Savepoint(peewee._savepoint):
    """A savepoint that is not rolled back a second time after SQLite has done so: that would hide the first error.

    Code that goes on after the error must check that the transaction still exists: see `Store.has_lost_transaction`.
    """

    def rollback(self, begin: bool = True) -> None:
        if self.db.connection().in_transaction:
            super().rollback(begin)
