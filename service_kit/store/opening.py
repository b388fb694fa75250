"""Opens a store by its URL: finds the database, checks that it can be used, and says what to change if it cannot."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import peewee
from playhouse.cysqlite_ext import CySqliteDatabase

from service_kit.database_urls import UnreadableUrl, checked_url, is_postgresql
from service_kit.logs import logger
from service_kit.postgresql import Pool, UnsuitableDatabase, explain
from service_kit.private_files import DEFAULT_FOLDER, close_to_others, make_folder
from service_kit.sqlite.database import SqliteFile
from service_kit.sqlite.files import files_of
from service_kit.sqlite.marks import UnsuitableFile
from service_kit.sqlite.run import SqliteRun, reading_file
from service_kit.store.errors import SQLITE_ERRORS, StoreSettingsError
from service_kit.store.store import Store
from service_kit.store.times import BUSY_SECONDS, StoreTimes
from service_kit.store_checks import HISTORY, NO_TABLES, Schema, UnsuitableStore, check_schema

SAFE_SQLITE = (3, 51, 3)
"""Before it, a checkpoint that races a write in WAL mode can corrupt the file: sqlite.org/wal.html, WAL-reset bug."""

OWN_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
    )
"""
"""The tables of the service on PostgreSQL, without those of extensions."""

log = logger(__name__)


def open_store(url: str, connections: int = 20, schema: Schema | None = None, times: StoreTimes | None = None) -> Store:
    """Open the database at `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://…`.

    Args:
        url: Where the database is. A SQLite file, and its folder, are made if they are missing.
        connections: The most connections of the pool on PostgreSQL.
        schema: Only a store of this service is opened, or a new one.
        times: How long the store waits.

    Raises:
        StoreSettingsError: The database cannot be reached or used.
    """
    times = times or StoreTimes()
    try:
        url = checked_url(url)
    except UnreadableUrl as error:
        raise StoreSettingsError(f"cannot open the store: {error}") from None
    if is_postgresql(url):
        store = Store(Pool(url, connections, times.busy_seconds), url, times=times)
    else:
        store = _open_sqlite(url, schema, times)
    try:
        with store.reading():
            store.database.connection()
            store.check_database()
            if schema is not None and store.is_postgresql:
                _check_postgresql_tables(store.database, schema)
    except (peewee.DatabaseError, peewee.InterfaceError, UnsuitableDatabase, UnsuitableStore) as error:
        store.close()
        raise StoreSettingsError(
            f"cannot open the store {store.safe_url}: {explain(error) or store.said(error)}"
        ) from error
    return store


# --- SQLite ---


def _open_sqlite(url: str, schema: Schema | None, times: StoreTimes) -> Store:
    path = sqlite_path(url)
    directory = path.parent
    try:
        make_folder(directory)
    except OSError as error:
        raise StoreSettingsError(f"cannot make the folder {directory} for the store: {error.strerror}") from error
    if not os.access(directory, os.W_OK):
        raise StoreSettingsError(f"cannot write to the folder {directory} of the store")
    pragmas = {
        "journal_mode": "wal",
        "synchronous": "full",  # an acknowledged loan outlives a power cut
        "foreign_keys": 1,
        "cache_size": -32_768,  # KiB, for each connection
    }
    database = sqlite_database(path, pragmas, times.busy_seconds)
    run = SqliteRun(path, times.busy_seconds)
    store = Store(database, url, run, times)
    try:
        run.begin(database, lambda: _check_sqlite_tables(path, schema, times.busy_seconds))
    except (OSError, UnsuitableFile, UnsuitableStore, *SQLITE_ERRORS) as error:
        raise StoreSettingsError(f"cannot open the store {store.safe_url}: {store.said(error)}") from error
    _close_files(path)  # only now: a file that is not a store is left as it is
    return store


def sqlite_path(url: str) -> Path:
    """Return the file that a URL names.

    Raises:
        StoreSettingsError: The URL names none, or the SQLite of this machine is not safe to use.
    """
    if CySqliteDatabase.server_version < SAFE_SQLITE:
        version = ".".join(map(str, CySqliteDatabase.server_version))
        raise StoreSettingsError(f"SQLite {version} can corrupt a store; install a cysqlite with 3.51.3 or newer")
    try:
        return Path(checked_url(url).removeprefix("sqlite:///"))
    except UnreadableUrl as error:
        raise StoreSettingsError(str(error)) from None


def sqlite_database(path: Path, pragmas: Mapping[str, object], busy_seconds: float = BUSY_SECONDS) -> peewee.Database:
    """Return a SQLite file as peewee's database, not opened yet."""
    return SqliteFile(str(path), rank_functions=False, timeout=busy_seconds, pragmas=pragmas)


def _check_sqlite_tables(path: Path, schema: Schema | None, busy_seconds: float) -> None:
    with reading_file(path, busy_seconds) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if schema is None:
            return
        ((mark,),) = connection.execute("PRAGMA user_version")
        applied = [name for (name,) in connection.execute(f"SELECT name FROM {HISTORY}")] if HISTORY in tables else []
    if tables:
        check_schema(schema, tables, applied)
    elif not mark:  # a file that was made here, and not migrated yet, is marked
        raise UnsuitableStore(NO_TABLES)


def _close_files(path: Path) -> None:
    """Close what an earlier version left open to other users. A folder may be shared on purpose, so only our own."""
    folder = [path.parent] if path.parent == DEFAULT_FOLDER else []
    if closed := close_to_others([*folder, *files_of(path)]):
        log.warning(
            "files of the store were open to other users, and are private now", files=[str(each) for each in closed]
        )


# --- PostgreSQL ---


def _check_postgresql_tables(database: peewee.Database, schema: Schema) -> None:
    """Check on the present connection that a database has tables of the service, or none."""
    tables = {name for (name,) in database.execute_sql(OWN_TABLES).fetchall()}
    applied = database.execute_sql(f"SELECT name FROM {HISTORY}").fetchall() if HISTORY in tables else []
    if tables:
        check_schema(schema, tables, [name for (name,) in applied])
