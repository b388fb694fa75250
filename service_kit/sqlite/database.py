"""A SQLite file as peewee's database."""

from __future__ import annotations

import time
from typing import Any

import peewee
from playhouse.cysqlite_ext import CySqliteDatabase, cysqlite

from service_kit.sqlite.run import prepare_connection


class SqliteFile(CySqliteDatabase):  # type: ignore[misc]
    """SQLite, but processes that open a new file at the same moment wait for one another.

    The first of them makes it a WAL file. The others, about to do the same, are told at once that it is locked: the
    timeout that SQLite has for statements does not hold there.
    """

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Open this thread's connection, waiting where the file is just being made."""
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
        # Built with STAT4, SQLite plans a statement anew each time that a value is bound to it by which an index is
        # searched, for the statistics may speak for another plan. There are none here, and planning takes longer than
        # many a search. See SQLITE_DBCONFIG_ENABLE_QPSG in sqlite.org/c3ref/c_dbconfig_defensive.html.
        conn.db_config(cysqlite.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        prepare_connection(conn)
        super()._add_conn_hooks(conn)

    def rollback(self) -> None:
        """Roll back, where SQLite has not done so by itself: it does at a full disk, for one.

        A second ROLLBACK would fail with "no transaction is active", and hide the error that ended the transaction.
        """
        if self.is_closed() or self.connection().in_transaction:
            super().rollback()

    def savepoint(self) -> Any:
        """Begin a savepoint, for `atomic` within a transaction."""
        return _Savepoint(self)


class _Savepoint(peewee._savepoint):
    """A savepoint that leaves alone what SQLite has rolled back, so that the error which ended it is the one raised.

    Who goes on after the error has to look whether there is still a transaction: see `Store.has_lost_transaction`.
    """

    def rollback(self, begin: bool = True) -> None:
        if self.db.connection().in_transaction:
            super().rollback(begin)
