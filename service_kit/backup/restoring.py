"""Restores stores from copies. The former stores are moved away and kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from service_kit.backup import postgresql
from service_kit.backup.contents import sqlite_columns, sqlite_tables, unchanging_file
from service_kit.backup.copying import plain_store, rows_in
from service_kit.backup.folder import BackupError, StoreCopy, digest_of, sync_to_disk
from service_kit.database_urls import is_postgresql
from service_kit.migrations import MIGRATION_LOCK, migrate
from service_kit.private_files import close_to_others, make_folder
from service_kit.sqlite.files import JOURNAL, LOG, SHARED_MEMORY, files_of, sibling, size_of
from service_kit.sqlite.lock import StoreLock
from service_kit.sqlite.marks import RESTORING
from service_kit.sqlite.run import reading_file
from service_kit.store import BUSY_SECONDS, SQLITE_ERRORS, StoreSettingsError, sqlite_path
from service_kit.store_checks import Schema, UnsuitableStore, check_schema

COPYING = "-restore-copy"
"""The suffix of the file of a copy that is not complete yet; a start ignores it."""

Progress = Callable[[int, int], object]
"""Called from time to time with the number of rows that are done, and of all rows."""


class Target(ABC):
    """A store that is to be replaced. From `prepare` to `close` no server can use it."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    @abstractmethod
    def prepare(self) -> None:
        """Lock other processes out, and check that the store may be replaced. Raises BackupError."""

    @abstractmethod
    def replace(self, file: Path, copy: StoreCopy, progress: Progress) -> str:
        """Replace the store by the copy; return where the old store is kept, empty if there was none.

        Killed at any moment, it leaves the old store, the new one, or files that a start refuses until it is repeated.
        Raises BackupError.
        """

    @abstractmethod
    def close(self) -> None:
        """Let others use the store."""


def target_at(url: str, schema: Schema) -> Target:
    """Return the store at `url` as one to be replaced. Raises BackupError."""
    if is_postgresql(url):
        return _PostgresqlTarget(url, schema)
    try:
        return _SqliteTarget(sqlite_path(url), schema)
    except StoreSettingsError as error:
        raise BackupError(str(error)) from error


def _check_replaceable(schema: Schema, tables: list[str], where: object) -> None:
    """Refuse to replace what is not a store of the service, but let one of a newer program be replaced."""
    try:
        check_schema(schema, tables, ())
    except UnsuitableStore as error:
        raise BackupError(f"{where} is not replaced: {error}") from error


def _stamp(nanoseconds: int) -> str:
    """Write a time as a part of a name that sorts by it."""
    return f"{datetime.fromtimestamp(nanoseconds // 10**9, UTC):%Y%m%d_%H%M%S}_{nanoseconds // 1000 % 10**6:06}"


class _SqliteTarget(Target):
    def __init__(self, path: Path, schema: Schema) -> None:
        super().__init__(schema)
        self._path = path
        self._lock = StoreLock(path)

    def prepare(self) -> None:
        try:
            make_folder(self._path.parent)
            if not self._lock.try_alone():
                raise BackupError(
                    f"the {self.schema.service} store {self._path} is in use; stop the server that uses it, then "
                    "restore, then start it"
                )
        except OSError as error:
            raise BackupError(f"cannot write into {self._path.parent}: {error.strerror}") from error
        if size_of(self._path) and (tables := self._tables()):
            _check_replaceable(self.schema, tables, self._path)

    def _tables(self) -> list[str]:
        try:
            with reading_file(self._path, BUSY_SECONDS) as connection:
                return sqlite_tables(connection)
        except SQLITE_ERRORS:
            return []  # it is damaged, which is why backups are restored

    def replace(self, file: Path, copy: StoreCopy, progress: Progress) -> str:
        try:
            return self._replace(file, copy)
        except OSError as error:
            raise BackupError(f"cannot restore {self._path}: {error.strerror or error}; run it again") from error
        finally:
            # It has another name when it is complete. What is left of it would keep a full disk full.
            sibling(self._path, COPYING).unlink(missing_ok=True)

    def _replace(self, file: Path, copy: StoreCopy) -> str:
        restoring, copying = sibling(self._path, RESTORING), sibling(self._path, COPYING)
        # An interrupted restore may have moved some of the old files already: the rest gets the same name.
        begun = restoring.stat().st_mtime_ns if restoring.exists() else time.time_ns()
        if digest_of(file, copy_to=copying) != copy.sha256:
            raise BackupError(f"{file} was changed while it was restored")
        self._keep_owner(copying)
        os.utime(copying, ns=(begun, begun))
        sync_to_disk(copying)
        copying.replace(restoring)
        sync_to_disk(self._path.parent)
        # From here on a start refuses the store until the file has its name.
        kept = sibling(self._path, f".before-restore-{_stamp(restoring.stat().st_mtime_ns)}")
        for suffix in (LOG, SHARED_MEMORY, JOURNAL, ""):
            if sibling(self._path, suffix).exists():
                sibling(self._path, suffix).replace(sibling(kept, suffix))
        restoring.replace(self._path)
        close_to_others(files_of(self._path))
        sync_to_disk(self._path.parent)
        return str(kept) if kept.exists() else ""

    def _keep_owner(self, file: Path) -> None:
        """Let the service use the file, also where root restores it."""
        model = self._path if self._path.exists() else self._path.parent
        if os.geteuid() == 0:
            os.chown(file, model.stat().st_uid, model.stat().st_gid)

    def close(self) -> None:
        self._lock.release()


class _PostgresqlTarget(Target):
    def __init__(self, url: str, schema: Schema) -> None:
        super().__init__(schema)
        self._store = postgresql.unlimited_store(url)

    def prepare(self) -> None:
        with self._explained():
            self._store.database.connect()
            connection = self._store.database.connection()
            self._refuse_in_use(connection)
            if tables := postgresql.tables_of(connection):
                _check_replaceable(self.schema, tables, self._store.safe_url)

    def _refuse_in_use(self, connection: psycopg.Connection[Any]) -> None:
        if count := postgresql.other_sessions(connection):
            raise BackupError(
                f"the {self.schema.service} store {self._store.safe_url} is in use: other sessions are connected to "
                f"the database ({count}); stop the servers that use it, then restore, then start them"
            )

    def replace(self, file: Path, copy: StoreCopy, progress: Progress) -> str:
        with self._explained(), tempfile.TemporaryDirectory(prefix="library-restore-") as folder:
            source = self._up_to_date(file, copy, Path(folder))
            kept = f"before_restore_{_stamp(time.time_ns())}"
            database = self._store.database
            database.execute_sql(postgresql.NO_TIME_LIMITS)
            with database.atomic():
                # Servers that start meanwhile wait for it before they bring the store up to date.
                database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
                connection = database.connection()
                self._refuse_in_use(connection)
                has_old = bool(postgresql.tables_of(connection))
                if has_old:
                    postgresql.move_away(connection, kept)
                migrate(self._store, self.schema.migrations)
                _load(connection, source, progress)
        return f"the schema {kept} of {self._store.safe_url}" if has_old else ""

    def _up_to_date(self, file: Path, copy: StoreCopy, folder: Path) -> Path:
        """Return the file with all migrations that the program has: its tables must be those of the new database."""
        if set(copy.migrations) == self.schema.known_migrations():
            return file
        updated = folder / file.name
        shutil.copyfile(file, updated)
        store = plain_store(updated)
        try:
            migrate(store, self.schema.migrations)
        finally:
            store.close()
        return updated

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (*SQLITE_ERRORS, psycopg.Error, StoreSettingsError, OSError) as error:
            raise BackupError(f"cannot restore {self._store.safe_url}: {self._store.said(error)}") from error

    def close(self) -> None:
        self._store.close()


def _load(connection: psycopg.Connection[Any], file: Path, progress: Progress) -> None:
    """Put the rows of all tables that both engines have into the new tables."""
    with unchanging_file(file) as source:
        ours = sqlite_tables(source)
        tables = postgresql.loading_order_of(connection, postgresql.tables_of(connection))
        for done, table in enumerate(tables):
            progress(done, len(tables))
            if table not in ours:
                continue
            columns = {
                name: kind
                for name, kind in postgresql.columns_of(connection, table).items()
                if name in sqlite_columns(source, table)
            }
            postgresql.write_rows(connection, table, columns, rows_in(source, table, list(columns)))
            postgresql.set_sequences(connection, table)
        connection.execute("ANALYZE")
