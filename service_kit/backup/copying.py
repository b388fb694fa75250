"""Copies a store into a SQLite file while servers use it, and checks the copy as soon as it is written."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from playhouse.cysqlite_ext import cysqlite

from service_kit.backup import postgresql
from service_kit.backup.checking import copy_problems
from service_kit.backup.contents import (
    Contents,
    loading_order,
    quoted,
    sqlite_columns,
    sqlite_contents,
    sqlite_migrations,
    sqlite_tables,
)
from service_kit.backup.folder import BackupError, StoreCopy, digest_of, sync_to_disk
from service_kit.database_urls import is_postgresql
from service_kit.migrations import migrate
from service_kit.private_files import create_file
from service_kit.sqlite.files import LOG, sibling, size_of
from service_kit.sqlite.lock import StoreLock
from service_kit.sqlite.marks import UnsuitableFile, check_file
from service_kit.sqlite.run import reading_file
from service_kit.store import BUSY_SECONDS, SQLITE_ERRORS, Store, StoreSettingsError, sqlite_database, sqlite_path
from service_kit.store_checks import Schema, UnsuitableStore, check_schema

PAGES_AT_A_TIME = 2_000

Progress = Callable[[int, int], object]
"""Called from time to time with the number of rows that are done, and of all rows."""


def copy_store(url: str, file: Path, schema: Schema, facts: Mapping[str, str], progress: Progress) -> StoreCopy:
    """Copy the store at `url`, as it is at one moment after the call, into a new file; return its content.

    Raises BackupError if the store does not belong to the service or cannot be read, or if the copy has a problem.
    """
    try:
        if is_postgresql(url):
            engine, contents = "postgresql", _copy_postgresql(url, file, schema, facts, progress)
        else:
            engine, contents = "sqlite", _copy_sqlite(sqlite_path(url), file, schema, facts, progress)
    except (UnsuitableFile, UnsuitableStore, StoreSettingsError, OSError, *SQLITE_ERRORS) as error:
        raise BackupError(f"cannot back up the {schema.service} store: {' '.join(str(error).split())}") from error
    sync_to_disk(file)
    copy = StoreCopy(
        engine, file.name, size_of(file), digest_of(file), contents.migrations, contents.rows, contents.facts
    )
    if problems := list(copy_problems(file, copy, facts)):
        raise BackupError(f"the copy of the {schema.service} store is not as it should be: {'; '.join(problems)}")
    return copy


# --- from SQLite ---


def _copy_sqlite(path: Path, file: Path, schema: Schema, facts: Mapping[str, str], progress: Progress) -> Contents:
    if not path.parent.is_dir() or not (path.exists() or size_of(sibling(path, LOG))):
        raise UnsuitableFile(f"there is no file {path.absolute()}")
    lock = StoreLock(path)
    try:
        if lock.try_alone():
            check_file(path)  # which a server that uses it has done otherwise
        if not lock.share(BUSY_SECONDS):
            raise UnsuitableFile(f"{path} is being restored")
        with reading_file(path, BUSY_SECONDS) as source:
            source.execute("BEGIN")
            tables = sqlite_tables(source)
            check_schema(schema, tables, sqlite_migrations(source, tables))
            contents = sqlite_contents(source, facts)
            _copy_pages(source, file, progress)
    finally:
        lock.release()
    return contents


def _copy_pages(source: Any, file: Path, progress: Progress) -> None:
    """Copy what the transaction of `source` sees into a file that needs no log and has no mark of a running store."""
    create_file(file)
    target = cysqlite.Connection(str(file))
    try:
        target.execute("PRAGMA synchronous = off")  # all of it is synced at the end
        source.backup(target, pages=PAGES_AT_A_TIME, progress=lambda left, total, _: progress(total - left, total))
        target.execute("PRAGMA user_version = 0")
        target.execute("PRAGMA journal_mode = delete")
    finally:
        target.close()


# --- from PostgreSQL ---


def _copy_postgresql(url: str, file: Path, schema: Schema, facts: Mapping[str, str], progress: Progress) -> Contents:
    with postgresql.connected(url) as connection:
        postgresql.begin_snapshot(connection)
        tables = postgresql.tables_of(connection)
        migrations = postgresql.applied_migrations(connection, tables)
        if not tables:
            raise UnsuitableStore("there are no tables in it")
        check_schema(schema, tables, migrations)
        rows = {table: postgresql.count_rows(connection, table) for table in tables}
        with empty_sqlite_store(file, schema, migrations) as store:
            target = store.database.connection()
            carried = _load(target, connection, tables, rows, progress)
            found = sqlite_contents(target, facts)
        lost = {table: rows[table] for table in carried if rows[table] != found.rows[table]}
        if lost:
            raise UnsuitableStore(f"not all rows could be copied of {', '.join(sorted(lost))}")
    return found


def _load(
    target: Any, source: psycopg.Connection[Any], tables: list[str], rows: dict[str, int], progress: Progress
) -> list[str]:
    """Copy the rows of all tables that both engines have, and return their names.

    Tables of one engine only are made by the database itself from those.
    """
    triggers = target.execute("SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'")
    carried = [table for table in loading_order(sqlite_tables(target), list(triggers)) if table in tables]
    done, total = 0, sum(rows[table] for table in carried)
    target.execute("PRAGMA foreign_keys = 0")
    target.execute("BEGIN")
    for table in carried:
        columns = _common(sqlite_columns(target, table), postgresql.columns_of(source, table))
        names, marks = ", ".join(map(quoted, columns)), ", ".join("?" for _ in columns)
        target.execute(f"DELETE FROM {quoted(table)}")
        for batch in postgresql.rows_of(source, table, columns):
            target.executemany(f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks})", batch)
            done += len(batch)
            progress(done, total)
    target.execute("COMMIT")
    return carried


def _common(first: Collection[str], second: Collection[str]) -> list[str]:
    return [column for column in first if column in second]


@contextlib.contextmanager
def empty_sqlite_store(file: Path, schema: Schema, migrations: Collection[str]) -> Iterator[Store]:
    """Yield a new SQLite store of a service that has had just these migrations; it is closed at the end."""
    create_file(file)
    store = plain_store(file)
    try:
        with tempfile.TemporaryDirectory(prefix="library-migrations-") as folder:
            for name in migrations:
                shutil.copy(schema.migrations / f"{name}.py", folder)
            migrate(store, Path(folder))
        yield store
    finally:
        store.close()


def plain_store(file: Path) -> Store:
    """Return a SQLite file as a store without the lock, the log and the marks of one that servers use."""
    pragmas = {"journal_mode": "delete", "synchronous": "off", "cache_size": -32_768}
    return Store(sqlite_database(file, pragmas), f"sqlite:///{file}")


def rows_in(connection: Any, table: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table of a SQLite file."""
    names = ", ".join(map(quoted, columns))
    yield from connection.execute(f"SELECT {names} FROM {quoted(table)}")
