"""A store is a database on SQLite or PostgreSQL, reached through peewee.

with store.writing():     one transaction: committed if no error is raised, rolled back if one is
with store.reading():     statements that each stand alone
with store.snapshot():    several reads of one moment
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import peewee
from playhouse.cysqlite_ext import CySqliteDatabase, cysqlite
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase
from psycopg.pq import Format

from service_kit.sqlite.marks import UnsuitableFile
from service_kit.sqlite.run import SqliteRun, prepare_connection, reading_file
from service_kit.store_checks import HISTORY, NO_TABLES, Schema, UnsuitableStore, check_schema

SAFE_SQLITE = (3, 51, 3)
"""Before it, a checkpoint that races a write in WAL mode can corrupt the file: sqlite.org/wal.html, WAL-reset bug."""

BUSY_SECONDS = 5
"""How long a statement waits for another writer, on either engine."""

SQLITE_ERRORS = (peewee.DatabaseError, peewee.InterfaceError, cysqlite.DatabaseError)
"""peewee's for a statement that goes through it, cysqlite's own for one that goes around it."""


class StoreSettingsError(Exception):
    """The store cannot be opened as the settings say. The message tells what to change."""


class Store:
    """An open database. Threads share it; each has a connection of its own while it works."""

    def __init__(self, database: peewee.Database, url: str, sqlite_run: SqliteRun | None = None) -> None:
        """Use `open_store`. Without a `sqlite_run` a SQLite file is used as it is, without lock, checks and marks."""
        self.database = database
        self.url = url
        self._sqlite_run = sqlite_run
        self.is_postgresql = isinstance(database, peewee.PostgresqlDatabase)
        # SQLite lets one writer in and makes the others poll. Those of this process queue here instead, which is
        # quicker; writers in other processes are waited for as SQLite does it.
        self._writers: contextlib.AbstractContextManager[Any] = (
            contextlib.nullcontext() if self.is_postgresql else threading.RLock()
        )

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that may write: committed if no error is raised, rolled back if one is."""
        # A deferred SQLite transaction that reads before it writes fails at once beside another writer.
        lock_type = () if self.is_postgresql else ("IMMEDIATE",)
        with self._writers, self.reading():
            with self.database.atomic(*lock_type):
                yield
            if self._sqlite_run is not None and not self.database.in_transaction():
                self._sqlite_run.after_commit(self.database)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """One transaction whose reads all see the store as it was at the first of them."""
        isolation = {"isolation_level": "REPEATABLE READ"} if self.is_postgresql else {}
        with self.reading(), self.database.atomic(**isolation):
            yield

    def reading(self) -> contextlib.AbstractContextManager[Any]:
        """A connection for statements that each stand alone."""
        return _PooledConnection(self.database) if self.is_postgresql else _NOTHING

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Do something that one process at a time should do; gives False while another one is at it.

        Only PostgreSQL, which many processes may share, is asked. It saves work, and correctness must not hang on it.
        """
        if not self.is_postgresql:
            yield True
            return
        with self.reading():
            key = zlib.crc32(name.encode())
            (alone,) = self.database.execute_sql("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            try:
                yield alone
            finally:
                if alone:
                    self.database.execute_sql("SELECT pg_advisory_unlock(%s)", (key,))

    def lift_time_limit(self) -> None:
        """Let the statements of the present transaction take as long as they must: for those that change every row."""
        if self.is_postgresql:
            self.database.execute_sql("SET LOCAL statement_timeout = 0")

    def size_bytes(self) -> int:
        """The bytes that the store takes on disk."""
        if self.is_postgresql:
            with self.reading():
                size: int = self.database.execute_sql("SELECT pg_database_size(current_database())").fetchone()[0]
                return size
        files = (Path(f"{self.database.database}{suffix}") for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Close this thread's connection, and on PostgreSQL those that wait in the pool.

        A SQLite file that no other process uses is complete from then on, without a log beside it.
        """
        if self._sqlite_run is not None:
            self._sqlite_run.end(self.database)
        self.database.close()
        if isinstance(self.database, PooledPostgresqlDatabase):
            self.database.close_all()

    @property
    def safe_url(self) -> str:
        """The URL for logs: without its password, and without parameters, where there may be one, too."""
        if not self.is_postgresql:
            return self.url
        scheme, slashes, rest = self.url.partition("://")
        user, at, host = rest.rpartition("@")
        return scheme + slashes + user.partition(":")[0] + at + host.partition("?")[0]

    def said(self, error: Exception) -> str:
        """What the database says in an error, in one line; libpq repeats a URL that it cannot read, so without it."""
        return " ".join(str(error).replace(self.url, self.safe_url).split())


_NOTHING = contextlib.nullcontext()


class _PooledConnection:
    """Takes a connection from the pool and gives it back; within another one, uses that."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database
        self._taken = False

    def __enter__(self) -> None:
        self._taken = self._database.connect(reuse_if_open=True)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (peewee.OperationalError, peewee.InterfaceError)) and isinstance(
            self._database, _PostgresqlPool
        ):
            self._database.trust_no_connection()
        if self._taken:
            self._database.close()


class _SqliteFile(CySqliteDatabase):  # type: ignore[misc]
    """SQLite, but processes that open a new file at the same moment wait for one another.

    The first of them makes it a WAL file. The others, about to do the same, are told at once that it is locked: the
    timeout that SQLite has for statements does not hold there.
    """

    def connect(self, reuse_if_open: bool = False) -> bool:
        deadline = time.monotonic() + BUSY_SECONDS
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


class _PostgresqlPool(PooledPostgresqlDatabase):  # type: ignore[misc]
    """peewee's pool, but it asks a connection whether it is alive only after it has been idle for a while.

    The stock pool asks at every checkout, which doubles the round trips of a read.
    """

    trusted_seconds = 5.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given_back: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        self._ever_opened: weakref.WeakSet[Any] = weakref.WeakSet()

    def _connect(self) -> Any:
        conn = super()._connect()
        self._ever_opened.add(conn)
        return conn

    def close_all(self) -> None:
        """Close every connection, also those that the stock pool has dropped or that a thread took to its end."""
        super().close_all()
        for conn in list(self._ever_opened):
            conn.close()

    def cursor(self, named_cursor: str | None = None) -> Any:
        cursor = super().cursor(named_cursor)
        # As text, the messages in a page would come as hexadecimal digits: twice the bytes, and digits to read.
        cursor.format = Format.BINARY
        return cursor

    def trust_no_connection(self) -> None:
        """Ask each that waits in the pool before it is used: where one was cut, so were the others, most likely."""
        self._given_back.clear()

    def _can_reuse(self, conn: Any) -> bool:
        self._given_back[conn] = time.monotonic()
        reusable: bool = super()._can_reuse(conn)
        return reusable

    def _is_closed(self, conn: Any) -> bool:
        if time.monotonic() - self._given_back.get(conn, 0) < self.trusted_seconds:
            closed: bool = conn.closed
            return closed
        asked: bool = super()._is_closed(conn)
        return asked


def is_unavailable(error: Exception) -> bool:
    """Whether an error means that a store is away, busy or full, and not that a statement is wrong.

    SQLite says OperationalError of both; a wrong statement has result code 1, SQLITE_ERROR: sqlite.org/rescode.html.
    """
    if isinstance(error, peewee.OperationalError):
        return "(code=1," not in str(error)
    return isinstance(error, (peewee.InterfaceError, MaxConnectionsExceeded))


def open_store(url: str, connections: int = 20, schema: Schema | None = None) -> Store:
    """Open the database at `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://…`.

    `connections` bounds the pool on PostgreSQL. With a `schema`, only a store of that service is opened, or a new one.

    Raises `StoreSettingsError` when nothing can be reached there, or what is there cannot be used.
    """
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        store = _open_sqlite(url, schema)
    elif scheme in ("postgresql", "postgres"):
        url = "postgresql" + url.removeprefix(scheme)
        store = Store(_open_postgresql(url, connections), url)
    else:
        # Not what it is instead: it may hold a password.
        raise StoreSettingsError("a database URL begins with sqlite:/// or postgresql://, and this one does not")
    try:
        with store.reading():
            store.database.connection()
            if schema is not None and store.is_postgresql:
                check_postgresql_tables(store.database, schema)
    except (peewee.DatabaseError, peewee.InterfaceError, UnsuitableStore) as error:
        store.close()
        raise StoreSettingsError(f"cannot open the store {store.safe_url}: {store.said(error)}") from error
    return store


def _open_sqlite(url: str, schema: Schema | None) -> Store:
    path = sqlite_path(url)
    directory = path.parent
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
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
    database = sqlite_database(path, pragmas)
    run = SqliteRun(path, BUSY_SECONDS)
    store = Store(database, url, run)
    try:
        run.begin(database, lambda: _check_sqlite_tables(path, schema))
    except (OSError, UnsuitableFile, UnsuitableStore, *SQLITE_ERRORS) as error:
        raise StoreSettingsError(f"cannot open the store {url}: {store.said(error)}") from error
    return store


def sqlite_database(path: Path, pragmas: Mapping[str, object]) -> peewee.Database:
    """Return a SQLite file as peewee's database, not opened yet."""
    return _SqliteFile(str(path), rank_functions=False, timeout=BUSY_SECONDS, pragmas=pragmas)


def sqlite_path(url: str) -> Path:
    """Return the file that a URL names.

    Raises `StoreSettingsError` where it names none, or the SQLite of this machine is not safe to use.
    """
    if CySqliteDatabase.server_version < SAFE_SQLITE:
        version = ".".join(map(str, CySqliteDatabase.server_version))
        raise StoreSettingsError(f"SQLite {version} can corrupt a store; install a cysqlite with 3.51.3 or newer")
    path = url.removeprefix("sqlite:///")
    if not path or path == url:
        raise StoreSettingsError(f"a SQLite URL names a file, as in sqlite:///library.db, and this does not: {url!r}")
    return Path(path)


def _check_sqlite_tables(path: Path, schema: Schema | None) -> None:
    with reading_file(path, BUSY_SECONDS) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if schema is None:
            return
        ((mark,),) = connection.execute("PRAGMA user_version")
        applied = [name for (name,) in connection.execute(f"SELECT name FROM {HISTORY}")] if HISTORY in tables else []
    if tables:
        check_schema(schema, tables, applied)
    elif not mark:  # a file that was made here, and not migrated yet, is marked
        raise UnsuitableStore(NO_TABLES)


def check_postgresql_tables(database: peewee.Database, schema: Schema) -> None:
    """Check on the present connection that a database has tables of the service, or none. Raises `UnsuitableStore`."""
    tables = {name for (name,) in database.execute_sql(OWN_TABLES).fetchall()}
    applied = database.execute_sql(f"SELECT name FROM {HISTORY}").fetchall() if HISTORY in tables else []
    if tables:
        check_schema(schema, tables, [name for (name,) in applied])


OWN_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
    )
"""
"""The tables where the service has its own, without those of extensions."""


def _open_postgresql(url: str, connections: int) -> peewee.Database:
    return _PostgresqlPool(
        url,
        prefer_psycopg3=True,
        max_connections=connections,
        timeout=BUSY_SECONDS,
        connect_timeout=BUSY_SECONDS,
        # A process that freezes in a transaction, or whose machine is gone, must not hold its locks for ever.
        options=f"-c lock_timeout={BUSY_SECONDS}s -c statement_timeout=60s -c idle_in_transaction_session_timeout=30s "
        "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c timezone=UTC",
    )
