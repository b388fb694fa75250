"""Connections to PostgreSQL, shared by the threads of a process."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any

import peewee
import psycopg
from playhouse.pool import MaxConnectionsExceeded, _PooledPostgresqlDatabase
from psycopg.pq import Format

from service_kit.logs import logger
from service_kit.postgresql.session import NoAnswer, Session, Witness, begin_session, connection_parameters
from service_kit.postgresql.sqlstates import READ_ONLY, connection_is_at_fault, sqlstate_of

TRUSTED_SECONDS = 5.0
"""A connection that was idle for longer is asked whether it is alive before it is used again."""

PATIENCE = 3
"""How many times as long as for a lock we wait for the first answer of a server that is reached directly."""

EXHAUSTED_SECONDS = 60.0
"""How long no further connection is tried after a pooler had none for us, as long as there are others."""

STANDBY = (
    "it is a standby, which only copies another server; name the primary, or all servers in one URL: "
    "postgresql://user:password@host1,host2/name"
)

log = logger(__name__)


class StandbyReached(psycopg.OperationalError):
    """The server copies another one, so nothing can be written there and what is read may be old."""


class _TakenRevision(threading.local):
    last = 0


class _Sessions(peewee.PostgresqlDatabase):
    """Makes new connections; a class of its own because peewee's pool calls its base class for them."""

    def __init__(self, *args: Any, busy_seconds: float, **kwargs: Any) -> None:
        self._busy_seconds = busy_seconds
        self._is_pooled = False
        self._sessions: weakref.WeakKeyDictionary[Any, Session] = weakref.WeakKeyDictionary()
        super().__init__(*args, **kwargs)

    def _connect(self) -> Any:
        conn = super()._connect()  # type: ignore[misc]  # the stubs lack it
        try:
            # A pooler that has no connection left lets us wait; a server only answers late where the machine is busy.
            patience = self._busy_seconds if self._is_pooled else PATIENCE * self._busy_seconds
            session = begin_session(conn, self._busy_seconds, patience)
            if session.is_standby:
                raise StandbyReached(STANDBY)
        except BaseException:
            conn.close()
            raise
        self._is_pooled = session.is_pooled
        if session.is_pooled:
            # Were the pooler set to another mode while we run, a statement prepared by one client could be executed
            # by another under the same name.
            conn.prepare_threshold = None
        self._sessions[conn] = session
        return conn


class Pool(_PooledPostgresqlDatabase, _Sessions):  # type: ignore[misc]
    """peewee's pool with sessions of our own.

    The stock pool asks at every checkout whether a connection is alive, which doubles the round trips of a read; this
    one asks only after `TRUSTED_SECONDS`. And all its connections are to one life of one database: when a new one
    shows that the database was replaced, those before it are closed as soon as they come back or are taken.
    """

    def __init__(self, url: str, connections: int, busy_seconds: float) -> None:
        """Prepare a pool of at most `connections`; nothing is opened before the first use."""
        self.connections = connections
        self.parameters = connection_parameters(url, busy_seconds)
        self.witness = ""
        self._newest: Witness | None = None
        self._era = 0  # connections of earlier ones are not used any more
        self._eras: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._witnesses: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._returned_at: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        self._exhausted_until = 0.0
        self.watches_revisions = False
        self._committed_revision = 0
        self._taken = _TakenRevision()
        super().__init__(
            url,
            max_connections=connections,
            timeout=busy_seconds,
            busy_seconds=busy_seconds,
            prefer_psycopg3=True,
            **self.parameters,
        )

    def session(self) -> Session:
        """Return what is known of this thread's connection."""
        return self._sessions[self._connection()]

    def witness_here(self) -> str:
        """Return the witness of this thread's connection. It differs from `witness` when a newer one has another."""
        return self._witnesses[self._connection()]

    def note_revisions(self, *, before: int, last: int) -> None:
        """Note the revisions that this thread's transaction has taken: those after `before`, up to `last`.

        Revisions only rise, so one below what this process committed shows that the database was restored in place,
        without a new connection. Raises `peewee.OperationalError` then, and the next transaction finds a new witness.
        """
        if self.watches_revisions and before < self._committed_revision:
            with self._pool_lock:
                self._begin_life(f"{self.witness.partition('/r')[0]}/r{before}")
            raise peewee.OperationalError("the database went back in time: it was restored under the running service")
        self._taken.last = last

    def note_end(self, *, committed: bool) -> None:
        """Note that this thread's transaction has ended, unless this was only a part of it."""
        if self.in_transaction():
            return
        if committed and self._eras.get(self._connection()) == self._era:
            self._committed_revision = max(self._committed_revision, self._taken.last)
        self._taken.last = 0

    def note_error(self, error: BaseException) -> None:
        """Close this thread's connection if it is at fault, and ask the others before they are used again."""
        sqlstate = sqlstate_of(error)
        if connection_is_at_fault(sqlstate):
            self._returned_at.clear()
            self.discard_connection()
        if sqlstate == READ_ONLY:
            self._era += 1  # all others are to the same server

    def discard_connection(self) -> None:
        """Close this thread's connection, so that its session ends; the next use opens another."""
        if not self.is_closed():
            self._close_raw(self._connection())

    def close_all(self) -> None:
        """Close every connection, also those that the stock pool has dropped or that a thread took to its end."""
        super().close_all()
        for conn in list(self._eras):
            conn.close()

    def cursor(self, named_cursor: str | None = None) -> Any:
        """Return a cursor for binary results: as text, the messages in a page come as hexadecimal digits."""
        cursor: Any = super().cursor(named_cursor)  # type: ignore[no-untyped-call]
        cursor.format = Format.BINARY
        return cursor

    def _connection(self) -> Any:
        return self.connection()  # type: ignore[no-untyped-call]

    def _connect(self) -> Any:
        with self._pool_lock:
            if self._in_use and not self._connections and time.monotonic() < self._exhausted_until:
                raise MaxConnectionsExceeded("the connection pooler has no further connection")
            try:
                conn = super()._connect()
            except NoAnswer:
                if self._in_use:
                    self._exhausted_until = time.monotonic() + EXHAUSTED_SECONDS
                    log.warning("the connection pooler has no further connection", in_use=len(self._in_use))
                raise
            if conn not in self._eras:
                self._note_witness(self._sessions[conn].witness)
                self._eras[conn] = self._era
                self._witnesses[conn] = self.witness
            return conn

    def _note_witness(self, witness: Witness) -> None:
        """Compare a new connection's witness with that of the one before it; both under the lock of the pool."""
        newest, self._newest = self._newest, witness
        if newest is not None and newest.life == witness.life and newest.wal_bytes <= witness.wal_bytes:
            return
        went_back = newest is not None and newest.life == witness.life
        self._begin_life(f"{witness.life}/{witness.wal_bytes}" if went_back else witness.life)

    def _begin_life(self, witness: str) -> None:
        self.witness = witness
        self._committed_revision = 0
        self._era += 1

    def _is_closed(self, conn: Any) -> bool:
        if self._is_usable(conn):
            return False
        self._close_raw(conn)  # the stock pool would only forget it
        return True

    def _is_usable(self, conn: Any) -> bool:
        if self._eras.get(conn) != self._era:
            return False
        if time.monotonic() - self._returned_at.get(conn, 0) < TRUSTED_SECONDS:
            return not conn.closed
        return not super()._is_closed(conn)

    def _can_reuse(self, conn: Any) -> bool:
        if self._eras.get(conn) != self._era:
            return False
        self._returned_at[conn] = time.monotonic()
        reusable: bool = super()._can_reuse(conn)
        return reusable
