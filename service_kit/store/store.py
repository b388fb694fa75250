"""The store: one transaction, one connection for each thread, on either engine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peewee

from service_kit.calls.current import check_wanted, seconds_to_wait
from service_kit.change_record import end_record
from service_kit.database_urls import safe_url, shown_error
from service_kit.logs import logger
from service_kit.postgresql import Pool, check_database
from service_kit.sqlite.run import SqliteRun
from service_kit.store.errors import SQLITE_ERRORS, StoreSettingsError, WriterBusy, is_unavailable
from service_kit.store.locks import AdvisoryLocks
from service_kit.store.times import StoreTimes
from service_kit.writability import Writability, write_problem

log = logger(__name__)


class Store:
    """An open database. Threads share it; each has a connection of its own while it works."""

    def __init__(
        self,
        database: peewee.Database,
        url: str,
        sqlite_run: SqliteRun | None = None,
        times: StoreTimes | None = None,
    ) -> None:
        """Use `open_store` instead. Without a `sqlite_run` a SQLite file has no lock, checks and marks."""
        self.database = database
        self.url = url
        self.times = times or StoreTimes()
        self._sqlite_run = sqlite_run
        self.is_postgresql = isinstance(database, peewee.PostgresqlDatabase)
        self._pool = database if isinstance(database, Pool) else None
        self.taken_up = self._pool.witness if self._pool else ""
        self._taking_up = threading.Lock()
        self._take_up: Callable[[], object] = lambda: None
        self._locks = AdvisoryLocks(self._pool, self.times.locked_out_seconds) if self._pool else None
        self.writability = Writability(self._try_to_write, self.said, self.times.probe_seconds, self.times.log_seconds)
        # SQLite lets one writer in, and the others poll. The writers of this process wait for this lock instead, which
        # is quicker; for writers of other processes SQLite polls.
        self._writers = None if self.is_postgresql else threading.RLock()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Begin a transaction that may write: committed if no error is raised, rolled back if one is."""
        # A deferred SQLite transaction that reads before it writes fails at once if there is another writer.
        lock_type = () if self.is_postgresql else ("IMMEDIATE",)
        with self._turn_to_write(), self.reading():
            committed = False
            try:
                with self.database.atomic(*lock_type):
                    check_wanted()  # it may have waited for another process, too
                    yield
                    check_wanted()  # on PostgreSQL, statements wait for the locks of others
                committed = True
            except Exception as error:
                self.writability.note(error)
                raise
            finally:
                if self._pool is not None:
                    self._pool.note_end(committed=committed)
                if not self.database.in_transaction():
                    end_record(committed=committed)
            if self._sqlite_run is not None and not self.database.in_transaction():
                self._sqlite_run.after_commit(self.database)

    def _try_to_write(self) -> None:
        """Make a small change, for `Writability`, in a thread of its own. A revision without a row does no harm."""
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
            WriterBusy: The turn did not come in time.
            CallCancelled: The client does not wait any more.
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
        """Begin a transaction whose reads all see the store as it was at the first of them."""
        isolation = {"isolation_level": "REPEATABLE READ"} if self.is_postgresql else {}
        with self.reading(), self.database.atomic(**isolation):
            yield

    def locking(self, query: Any) -> Any:
        """Make a query lock its rows until the transaction ends. On SQLite the transaction itself is the lock."""
        return query.for_update() if self.is_postgresql else query

    def reading(self) -> contextlib.AbstractContextManager[Any]:
        """Take a connection for statements that are each a transaction of their own."""
        return _PooledConnection(self, self._pool) if self._pool else _NOTHING

    @property
    def witness(self) -> str:
        """Identifies the timeline of this thread's database: see `service_kit.postgresql.session`.

        For use within `reading`, `writing` or `snapshot`. Empty on SQLite, where only a start notices a replaced file.
        """
        return self._pool.witness_here() if self._pool else ""

    def on_replaced_database(self, take_up: Callable[[], object]) -> None:
        """Call `take_up` when the database was replaced: restored, or failed over to a server that was behind.

        It is called once for each such change, in the thread that noticed it, with a connection to the new database and
        before any other use of one. It may use the store. If it fails, so does the work that took the connection.
        """
        self._take_up = take_up
        if self._pool is not None:
            self._pool.watches_revisions = True

    def take_up_replaced_database(self) -> None:
        """Make this thread's connection usable after the pool noticed that the database was replaced.

        Raises:
            peewee.OperationalError: It cannot be used yet, or this connection is to the former database.
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
    def try_lock(self, name: str) -> Iterator[bool]:
        """Let one process at a time do something: yield False while another one has the lock of this name.

        Only PostgreSQL has such locks, as many processes may share it. They save work, and correctness must not depend
        on them: after `StoreTimes.locked_out_seconds` without the lock it yields True all the same, as the lock may
        have been left behind by a pooler that is not in session mode.
        """
        if self._locks is None:
            yield True
            return
        with self.reading(), self._locks.try_lock(name) as locked:
            yield locked

    def check_database(self) -> None:
        """Raise `UnsuitableDatabase` if a PostgreSQL database, or a pooler before it, does not suit the store."""
        if self._pool is not None:
            check_database(self._pool, self.url, self.times.busy_seconds)

    def lift_time_limit(self) -> None:
        """Remove the time limit of the statements in the present transaction, for those that change every row."""
        if self.is_postgresql:
            self.database.execute_sql("SET LOCAL statement_timeout = 0")

    def size_bytes(self) -> int:
        """Return the bytes of the store on disk."""
        if self.is_postgresql:
            with self.reading():
                size: int = self.database.execute_sql("SELECT pg_database_size(current_database())").fetchone()[0]
                return size
        files = (Path(f"{self.database.database}{suffix}") for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def refuse_shared(self) -> None:
        """Raise `StoreSettingsError` if another process uses the store; on SQLite, lock others out from here on."""
        if self.is_postgresql:
            with self.reading():
                others = self.database.execute_sql(OTHER_SESSIONS).fetchone()[0]
        else:
            others = self._sqlite_run is not None and not self._sqlite_run.try_alone()
        if others:
            raise StoreSettingsError(f"the store {self.safe_url} is in use; stop the services that use it first")

    def close(self) -> None:
        """Close this thread's connection, and on PostgreSQL those in the pool.

        A SQLite file that no other process uses is then complete, without a log.
        """
        self.writability.close()
        if self._sqlite_run is not None:
            self._sqlite_run.end(self.database)
        self.database.close()
        if self._pool is not None:
            self._pool.close_all()

    @property
    def safe_url(self) -> str:
        """The parts of the URL that may be shown: see `service_kit.database_urls`."""
        return safe_url(self.url)

    @contextlib.contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Turn an error of the database into a `StoreSettingsError` that says what failed.

        In `what`, {} is replaced by the store, as in "write to {}".
        """
        try:
            yield
        except SQLITE_ERRORS as error:
            problem = write_problem(error)
            why = f"{problem} ({self.said(error)})" if problem else self.said(error)
            done = what.format(f"the store {self.safe_url}")
            raise StoreSettingsError(f"cannot {done}: {why}") from error

    def said(self, error: Exception) -> str:
        """Return the message of a database's error in one line, without the secret parts of the URL."""
        message = shown_error(self.url, error)
        if "malformed" in message:  # SQLITE_CORRUPT
            message += ". The file itself is damaged: stop the services, and restore a backup with `library restore`"
        return message


_NOTHING = contextlib.nullcontext()


class _PooledConnection:
    """Takes a connection from the pool and returns it. Within another one, it uses that connection."""

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
            return  # the outer one gets the error, too, after its transaction was rolled back
        if isinstance(error, Exception) and is_unavailable(error):
            self._pool.note_error(error)
        self._pool.close()


OTHER_SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
"""
"""The number of other sessions of clients."""
