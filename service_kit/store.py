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
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import peewee
import psycopg
from playhouse.cysqlite_ext import CySqliteDatabase, cysqlite
from playhouse.pool import MaxConnectionsExceeded

from service_kit.calls.current import check_wanted, seconds_to_wait
from service_kit.database_urls import UnreadableUrl, checked_url, is_postgresql, safe_url, shown_error
from service_kit.logs import logger
from service_kit.postgresql import Pool, UnsuitableDatabase, check_database, explain
from service_kit.postgresql.sqlstates import means_unavailable, sqlstate_of
from service_kit.private_files import DEFAULT_FOLDER, close_to_others, make_folder
from service_kit.sqlite.database import SqliteFile
from service_kit.sqlite.files import files_of
from service_kit.sqlite.marks import UnsuitableFile
from service_kit.sqlite.run import SqliteRun, reading_file
from service_kit.store_checks import HISTORY, NO_TABLES, Schema, UnsuitableStore, check_schema
from service_kit.writability import Writability, write_problem

SAFE_SQLITE = (3, 51, 3)
"""Before it, a checkpoint that races a write in WAL mode can corrupt the file: sqlite.org/wal.html, WAL-reset bug."""

BUSY_SECONDS = 5
"""How long a statement waits for another writer, on either engine."""

LOCKED_OUT_SECONDS = 60.0
"""How long `Store.alone` takes it that another process is at work when it does not get the lock."""

log = logger(__name__)
SQLITE_ERRORS = (peewee.DatabaseError, peewee.InterfaceError, cysqlite.DatabaseError)
"""peewee's for a statement that goes through it, cysqlite's own for one that goes around it."""


class StoreSettingsError(Exception):
    """The store cannot be opened as the settings say. The message tells what to change."""


class WriterBusy(peewee.OperationalError):
    """Other writers have kept the store for too long."""


class Store:
    """An open database. Threads share it; each has a connection of its own while it works."""

    def __init__(self, database: peewee.Database, url: str, sqlite_run: SqliteRun | None = None) -> None:
        """Use `open_store`. Without a `sqlite_run` a SQLite file is used as it is, without lock, checks and marks."""
        self.database = database
        self.url = url
        self._sqlite_run = sqlite_run
        self.is_postgresql = isinstance(database, peewee.PostgresqlDatabase)
        self._pool = database if isinstance(database, Pool) else None
        self.taken_up = self._pool.witness if self._pool else ""
        self._taking_up = threading.Lock()
        self._take_up: Callable[[], object] = lambda: None
        self._locked_out_since: dict[str, float] = {}
        self.writability = Writability(self._try_to_write, self.said)
        # SQLite lets one writer in and makes the others poll. Those of this process queue here instead, which is
        # quicker; writers in other processes are waited for as SQLite does it.
        self._writers = None if self.is_postgresql else threading.RLock()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that may write: committed if no error is raised, rolled back if one is."""
        # A deferred SQLite transaction that reads before it writes fails at once beside another writer.
        lock_type = () if self.is_postgresql else ("IMMEDIATE",)
        with self._turn_to_write(), self.reading():
            committed = False
            try:
                with self.database.atomic(*lock_type):
                    check_wanted()  # another process may have been waited for, too
                    yield
                    check_wanted()  # on PostgreSQL, the locks of others are waited for in the statements
                committed = True
            except Exception as error:
                self.writability.note(error)
                raise
            finally:
                if self._pool is not None:
                    self._pool.note_end(committed=committed)
            if self._sqlite_run is not None and not self.database.in_transaction():
                self._sqlite_run.after_commit(self.database)

    def _try_to_write(self) -> None:
        """Make a small change, for `Writability`, in a thread of its own. A revision that nobody uses does no harm."""
        try:
            with self.writing():
                self.database.execute_sql("UPDATE counter SET revision = revision + 1 WHERE id = 1")
        finally:
            self.database.close()

    def has_lost_transaction(self) -> bool:
        """Return whether this thread's transaction was ended by an error: SQLite does that at a full disk, for one."""
        return not self.is_postgresql and not self.database.connection().in_transaction

    @contextlib.contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        """Wait for the other writers of this process, for no longer than the call that this thread works for.

        Raises:
            WriterBusy: the turn did not come in time.
            CallCancelled: nobody waits for the call any more.
        """
        check_wanted()
        if self._writers is None:
            yield
            return
        if not self._writers.acquire(timeout=seconds_to_wait()):
            raise WriterBusy("other writers of this process have kept the store for too long")
        try:
            yield
        finally:
            self._writers.release()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """One transaction whose reads all see the store as it was at the first of them."""
        isolation = {"isolation_level": "REPEATABLE READ"} if self.is_postgresql else {}
        with self.reading(), self.database.atomic(**isolation):
            yield

    def locking(self, query: Any) -> Any:
        """Let a query lock its rows until the transaction ends. On SQLite the transaction itself is the lock."""
        return query.for_update() if self.is_postgresql else query

    def reading(self) -> contextlib.AbstractContextManager[Any]:
        """A connection for statements that each stand alone."""
        return _PooledConnection(self, self._pool) if self._pool else _NOTHING

    @property
    def witness(self) -> str:
        """Identifies one life of the database of this thread's connection: see `service_kit.postgresql.session`.

        Ask within `reading`, `writing` or `snapshot`. Empty on SQLite, where only a start notices a replaced file.
        """
        return self._pool.witness_here() if self._pool else ""

    def on_replaced_database(self, take_up: Callable[[], object]) -> None:
        """Call `take_up` when the database was replaced: restored, or failed over to a server that was behind.

        It is called once for each such change, in the thread that noticed it, with a connection to the new database and
        before anything else uses one. It may use the store. Where it fails, so does what was about to be done.
        """
        self._take_up = take_up
        if self._pool is not None:
            self._pool.watches_revisions = True

    def take_up_replaced_database(self) -> None:
        """Make this thread's connection usable after the pool noticed that the database was replaced.

        Raises:
            peewee.OperationalError: it cannot be used yet, or this connection is to the database before it.
        """
        assert self._pool is not None
        with self._taking_up:
            witness = self._pool.witness_here()
            if witness != self._pool.witness:
                raise peewee.OperationalError("this connection is to a database that was replaced meanwhile")
            if witness != self.taken_up:
                if self.taken_up:  # otherwise this is the first connection
                    self._call_take_up(witness)
                self.taken_up = witness

    def _call_take_up(self, witness: str) -> None:
        log.warning("the database was replaced, or its server restarted", store=self.safe_url, witness=witness)
        try:
            self._take_up()
        except Exception as error:
            raise peewee.OperationalError(f"the replaced database cannot be used: {self.said(error)}") from error

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Do something that one process at a time should do; yields False while another one is at it.

        Only PostgreSQL, which many processes may share, is asked. It saves work, and correctness must not depend on it:
        after `LOCKED_OUT_SECONDS` without the lock it yields True all the same, as the lock may have been left behind
        by a pooler that is not in session mode.
        """
        if self._pool is None:
            yield True
            return
        with self.reading():
            key = zlib.crc32(name.encode())
            (locked,) = self.database.execute_sql("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            if locked:
                self._locked_out_since.pop(name, None)
            try:
                yield locked or self._is_locked_out(name)
            finally:
                if locked and not self.database.is_closed():
                    self._unlock(name, key)

    def _unlock(self, name: str, key: int) -> None:
        """Release the lock; where that cannot be, end the session, which releases whatever it has."""
        assert self._pool is not None
        try:
            (released,) = self.database.execute_sql("SELECT pg_advisory_unlock(%s)", (key,)).fetchone()
        except (peewee.DatabaseError, peewee.InterfaceError):  # and not raised: it would hide what went wrong before
            released = False
        else:
            if not released:
                log.error("a lock was lost; is a connection pooler in between that is not in session mode?", lock=name)
        if not released:
            self._pool.discard_connection()

    def _is_locked_out(self, name: str) -> bool:
        """Whether others have had the lock at every try for so long that it must have been left behind."""
        now = time.monotonic()
        since = self._locked_out_since.setdefault(name, now)
        if now - since < LOCKED_OUT_SECONDS:
            return False
        log.warning("going on without a lock that others have had for long", lock=name, seconds=round(now - since))
        self._locked_out_since[name] = now
        return True

    def check_database(self) -> None:
        """Raise `UnsuitableDatabase` where a PostgreSQL database, or a pooler before it, would fail us later."""
        if self._pool is not None:
            check_database(self._pool, self.url, BUSY_SECONDS)

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

    def refuse_shared(self) -> None:
        """Raise `StoreSettingsError` if another process uses the store; on SQLite, keep others out from here on."""
        if self.is_postgresql:
            with self.reading():
                others = self.database.execute_sql(OTHER_SESSIONS).fetchone()[0]
        else:
            others = self._sqlite_run is not None and not self._sqlite_run.try_alone()
        if others:
            raise StoreSettingsError(f"the store {self.safe_url} is in use; stop the services that use it first")

    def close(self) -> None:
        """Close this thread's connection, and on PostgreSQL those that wait in the pool.

        A SQLite file that no other process uses is complete from then on, without a log beside it.
        """
        self.writability.close()
        if self._sqlite_run is not None:
            self._sqlite_run.end(self.database)
        self.database.close()
        if self._pool is not None:
            self._pool.close_all()

    @property
    def safe_url(self) -> str:
        """What may be shown of the URL: see `service_kit.database_urls`."""
        return safe_url(self.url)

    @contextlib.contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Turn an error of the database into `StoreSettingsError`, a sentence that says what could not be done.

        `what` has {} in the place of the store, as in "write to {}".
        """
        try:
            yield
        except SQLITE_ERRORS as error:
            problem = write_problem(error)
            why = f"{problem} ({self.said(error)})" if problem else self.said(error)
            done = what.format(f"the store {self.safe_url}")
            raise StoreSettingsError(f"cannot {done}: {why}") from error

    def said(self, error: Exception) -> str:
        """What the database says in an error, in one line, without what may not be shown of the URL."""
        message = shown_error(self.url, error)
        if "malformed" in message:  # SQLITE_CORRUPT
            message += ". The file itself is damaged: stop the services, and restore a backup with `library restore`"
        return message


_NOTHING = contextlib.nullcontext()


class _PooledConnection:
    """Takes a connection from the pool and returns it; within another one, uses that."""

    def __init__(self, store: Store, pool: Pool) -> None:
        self._store = store
        self._pool = pool
        self._taken = False

    def __enter__(self) -> None:
        self._taken = self._pool.connect(reuse_if_open=True)
        if self._taken and self._pool.witness != self._store.taken_up:
            try:
                self._store.take_up_replaced_database()
            except BaseException as error:
                self.__exit__(None, error, None)
                raise

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not self._taken:
            return  # and the outer one sees the error, too, after its transaction was rolled back
        if isinstance(error, Exception) and is_unavailable(error):
            self._pool.note_error(error)
        self._pool.close()


_UNAVAILABLE = (peewee.InterfaceError, psycopg.OperationalError, psycopg.InterfaceError, MaxConnectionsExceeded)


def is_unavailable(error: Exception) -> bool:
    """Whether an error means that a store is away, busy or full, and not that a statement is wrong.

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


def open_store(url: str, connections: int = 20, schema: Schema | None = None) -> Store:
    """Open the database at `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://…`.

    `connections` bounds the pool on PostgreSQL. With a `schema`, only a store of that service is opened, or a new one.

    Raises `StoreSettingsError` when nothing can be reached there, or what is there cannot be used.
    """
    try:
        url = checked_url(url)
    except UnreadableUrl as error:
        raise StoreSettingsError(f"cannot open the store: {error}") from None
    store = Store(Pool(url, connections, BUSY_SECONDS), url) if is_postgresql(url) else _open_sqlite(url, schema)
    try:
        with store.reading():
            store.database.connection()
            store.check_database()
            if schema is not None and store.is_postgresql:
                check_postgresql_tables(store.database, schema)
    except (peewee.DatabaseError, peewee.InterfaceError, UnsuitableDatabase, UnsuitableStore) as error:
        store.close()
        raise StoreSettingsError(
            f"cannot open the store {store.safe_url}: {explain(error) or store.said(error)}"
        ) from error
    return store


def _open_sqlite(url: str, schema: Schema | None) -> Store:
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
    database = sqlite_database(path, pragmas)
    run = SqliteRun(path, BUSY_SECONDS)
    store = Store(database, url, run)
    try:
        run.begin(database, lambda: _check_sqlite_tables(path, schema))
    except (OSError, UnsuitableFile, UnsuitableStore, *SQLITE_ERRORS) as error:
        raise StoreSettingsError(f"cannot open the store {store.safe_url}: {store.said(error)}") from error
    _close_files(path)  # only now: a file that is not a store is left as it is
    return store


def _close_files(path: Path) -> None:
    """Close what an earlier version left open to other users. A folder may be shared on purpose, so only our own."""
    folder = [path.parent] if path.parent == DEFAULT_FOLDER else []
    if closed := close_to_others([*folder, *files_of(path)]):
        log.warning(
            "files of the store were open to other users, and are private now", files=[str(each) for each in closed]
        )


def sqlite_database(path: Path, pragmas: Mapping[str, object]) -> peewee.Database:
    """Return a SQLite file as peewee's database, not opened yet."""
    return SqliteFile(str(path), rank_functions=False, timeout=BUSY_SECONDS, pragmas=pragmas)


def sqlite_path(url: str) -> Path:
    """Return the file that a URL names.

    Raises `StoreSettingsError` where it names none, or the SQLite of this machine is not safe to use.
    """
    if CySqliteDatabase.server_version < SAFE_SQLITE:
        version = ".".join(map(str, CySqliteDatabase.server_version))
        raise StoreSettingsError(f"SQLite {version} can corrupt a store; install a cysqlite with 3.51.3 or newer")
    try:
        return Path(checked_url(url).removeprefix("sqlite:///"))
    except UnreadableUrl as error:
        raise StoreSettingsError(str(error)) from None


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


OTHER_SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
"""
"""The number of other sessions of clients."""

OWN_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
    )
"""
"""The tables where the service has its own, without those of extensions."""
