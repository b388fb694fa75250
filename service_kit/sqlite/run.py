"""A process's use of a SQLite store: opened with its checks and marks, its log kept short, left complete at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peewee
from playhouse.cysqlite_ext import cysqlite

from service_kit.logs import logger
from service_kit.private_files import create_file
from service_kit.sqlite.files import LOG, sibling, size_of
from service_kit.sqlite.lock import StoreLock
from service_kit.sqlite.marks import UnsuitableFile, check_file, checkpoint, new_mark

CHECKPOINT_BYTES = 16 * 2**20
"""The size at which a log is copied into the file. A larger one makes commits steadier and starts slower."""

READERS_MILLISECONDS = 20
"""How long a checkpoint waits for readers of an older state. Writers wait with it."""

log = logger(__name__)


class SqliteRun:
    """One process's use of the store in `file`, from `begin` to `end`."""

    def __init__(self, file: Path, busy_seconds: float) -> None:
        self.file = file
        self._busy_seconds = busy_seconds
        self._lock = StoreLock(file)
        self._log = sibling(file, LOG)
        self._checkpoint_at = CHECKPOINT_BYTES

    def begin(self, database: peewee.Database, check_tables: Callable[[], None]) -> None:
        """Check the file if no other process uses it, make it if it does not exist, and mark it.

        `check_tables` is called before anything is changed.

        Raises:
            UnsuitableFile: The file cannot be used, or is being restored.
            OSError, peewee.DatabaseError: The file cannot be opened.
        """
        try:
            alone = self._lock.alone_or_shared(self._busy_seconds)
            if alone is None:
                raise UnsuitableFile(
                    "it is being restored or repaired, or another program that uses it does not start; try again"
                )
            if alone:
                check_file(self.file)
            if size_of(self.file):
                check_tables()
            elif alone:
                _create(self.file)
            self._mark(database, alone=alone)
        except BaseException:
            database.close()
            self._lock.release()
            raise

    def _mark(self, database: peewee.Database, *, alone: bool) -> None:
        """Mark the file, then share it with other processes.

        This thread's connection stays open: with the last one SQLite's shared memory goes, and the next connection
        would note in it that pages of the log may have been copied into the file (see `checkpoint_was_tried`).
        """
        database.connect()
        connection = database.connection()
        if not alone:
            with contextlib.suppress(cysqlite.DatabaseError), self._patience(connection):  # others keep it marked
                checkpoint(connection, ends_run=False)
            return
        checkpoint(connection, ends_run=False)
        marked = self.file.stat().st_ino
        if not self._lock.share(self._busy_seconds) or marked != self.file.stat().st_ino:
            raise UnsuitableFile("it is being restored; try again")

    def after_commit(self, database: peewee.Database) -> None:
        """Copy the log into the file if it is large. Call it in the turn to write, outside transactions.

        Commits are durable without it, so a failure is only logged; it is tried again when the log has grown.
        """
        size = size_of(self._log)
        if size < self._checkpoint_at:
            return
        self._checkpoint_at = size + CHECKPOINT_BYTES // 4
        connection = database.connection()
        try:
            with self._patience(connection):
                if checkpoint(connection, ends_run=False):
                    self._checkpoint_at = CHECKPOINT_BYTES
        except (cysqlite.DatabaseError, MemoryError) as error:
            log.warning("the log of the store could not be copied into its file", error=str(error), log_bytes=size)

    def try_alone(self) -> bool:
        """Lock other processes out of the store until the end; return False if one uses it."""
        return self._lock.try_alone()

    def end(self, database: peewee.Database) -> None:
        """Complete the file if no other process uses it, close this thread's connection, release the lock."""
        if self._lock.is_open:
            try:
                if self._lock.try_alone() and self.file.exists():
                    self._complete(database)
            except (OSError, peewee.DatabaseError, cysqlite.DatabaseError) as error:
                log.warning("the log of the store is left next to its file", store=str(self.file), error=str(error))
        database.close()
        self._lock.release()

    def _complete(self, database: peewee.Database) -> None:
        database.connect(reuse_if_open=True)
        connection = database.connection()
        with self._patience(connection):
            if checkpoint(connection, ends_run=True):
                connection.db_config(cysqlite.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)  # which removes the log, too

    @contextlib.contextmanager
    def _patience(self, connection: Any) -> Iterator[None]:
        """Shorten the timeout of the connection: others wait for it meanwhile."""
        connection.execute(f"PRAGMA busy_timeout = {READERS_MILLISECONDS}")
        try:
            yield
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(self._busy_seconds * 1000)}")


def prepare_connection(connection: Any) -> None:
    """Leave all checkpoints of a connection to `SqliteRun`: SQLite's own would not keep the marks in order."""
    connection.db_config(cysqlite.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.set_autocheckpoint(0)


@contextlib.contextmanager
def reading_file(file: Path, seconds: float) -> Iterator[Any]:
    """Yield a connection of SQLite that changes nothing in the file, which has to exist."""
    connection = cysqlite.Connection(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=seconds)
    try:
        prepare_connection(connection)
        connection.execute("PRAGMA query_only = 1")
        yield connection
    finally:
        if connection.in_transaction:
            connection.rollback()
        connection.close()


def _create(file: Path) -> None:
    """Make a file without tables, marked, so that it differs from an incomplete copy of another one."""
    new = sibling(file, "-new")
    sibling(new, LOG).unlink(missing_ok=True)
    create_file(new)
    connection = cysqlite.Connection(str(new))
    try:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(f"PRAGMA user_version = {new_mark()}")
    finally:
        connection.close()
    os.replace(new, file)  # noqa: PTH105 - as a rename it is atomic, also over an empty file
