"""Checks of a PostgreSQL database before a service uses it. What they refuse would fail later, and often silently."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import peewee
import psycopg

from service_kit.logs import logger
from service_kit.postgresql.pool import Pool
from service_kit.postgresql.session import NoAnswer, Session, begin_session, deadline

log = logger(__name__)

NEEDS_UTF8 = (
    "the {name} has the encoding {encoding}, in which not every title and name can be stored; "
    "make one with UTF8 and move the data there: createdb --encoding=UTF8 --template=template0 NAME"
)
NEEDS_SESSION_MODE = (
    "a connection pooler in {mode} mode is in between, and with it settings, locks and prepared statements are lost "
    "between two statements; in pgbouncer set pool_mode = session for this database, or connect to PostgreSQL directly"
)
POOL_TOO_SMALL = (
    "the connection pooler in between has one connection for this service, and two are the least that it works with "
    "({problem}); in pgbouncer raise pool_size (or default_pool_size), best to {connections} for each process"
)
FEW_CONNECTIONS = 3
"""One for each direction of the sync and one for calls: with fewer, calls wait for the sync."""


class UnsuitableDatabase(Exception):
    """The database cannot be used as it is. The message is a clause that explains why, and what to do."""


def check_database(pool: Pool, url: str, busy_seconds: float) -> None:
    """Check the database of a pool, on the connection that this thread has.

    Raises:
        UnsuitableDatabase: with the way out.
        peewee.DatabaseError: when the database cannot be asked.
    """
    _check_settings(pool)
    if pool.session().is_pooled:
        _Pooler(pool, url, busy_seconds).check()


def explain(error: Exception) -> str:
    """Return what to do about an error when connecting, where PostgreSQL does not say it; otherwise nothing."""
    # The one encoding that PostgreSQL cannot convert to UTF8, so that connecting fails before the encoding is checked.
    if "MULE_INTERNAL" in str(error):
        return NEEDS_UTF8.format(name="database", encoding="MULE_INTERNAL")
    return ""


def _check_settings(pool: Pool) -> None:
    database: Any = pool  # peewee has no types for it
    name, encoding, schema, read_only = database.execute_sql(
        "SELECT current_database()::text, current_setting('server_encoding'), current_schema()::text, "
        "current_setting('transaction_read_only') = 'on'"
    ).fetchone()
    if encoding != "UTF8":
        raise UnsuitableDatabase(NEEDS_UTF8.format(name=f"database {name}", encoding=encoding))
    if schema is None:
        raise UnsuitableDatabase(
            "the search_path of this user names no schema that exists, so no table would be found; create the schema, "
            "or take the setting back: ALTER ROLE … RESET search_path (or ALTER DATABASE … RESET search_path)"
        )
    if read_only:
        raise UnsuitableDatabase(
            "it is read-only: default_transaction_read_only is on for this user, database or server; take that back "
            "if nothing else depends on it: ALTER ROLE … RESET default_transaction_read_only (or ALTER DATABASE …)"
        )


class _Pooler:
    """Finds out in which mode a connection pooler works.

    In session mode a client keeps its server process. In the other modes an idle client has none: another client
    can get its former process, or it gets another one itself. So one connection stays idle while others begin
    transactions, one after another, and keep their server processes. While a process is free, the idle connection is
    asked for its process again. This finds the mode for any number of processes, in any order in which a pooler
    assigns them: the last free one is the one that the idle connection had.
    """

    OTHERS = 3

    def __init__(self, pool: Pool, url: str, busy_seconds: float) -> None:
        self._pool: Any = pool  # peewee has no types for it
        self._url = url
        self._busy_seconds = busy_seconds

    def check(self) -> None:
        own = self._own_process()
        others = 0
        with contextlib.ExitStack() as opened:
            for _ in range(self.OTHERS):
                problem = self._begin_on_another(opened, own)
                if self._own_process() != own:
                    raise UnsuitableDatabase(NEEDS_SESSION_MODE.format(mode="transaction"))
                if problem:
                    self._judge_size(others + 1, problem)
                    break
                others += 1
        self._check_session()

    def _begin_on_another(self, opened: contextlib.ExitStack, own: int) -> str:
        """Begin a transaction on one more connection. Return why there is none, or nothing when there is one."""
        try:
            connection = opened.enter_context(self._another_connection())
        except psycopg.OperationalError as error:
            return " ".join(str(error).split())
        try:
            with deadline(connection, self._busy_seconds):
                connection.execute("BEGIN", prepare=False)
                process = _process(connection)
        except NoAnswer as error:
            return str(error)
        except psycopg.Error as error:
            raise UnsuitableDatabase(NEEDS_SESSION_MODE.format(mode="statement")) from error
        if process == own:
            raise UnsuitableDatabase(NEEDS_SESSION_MODE.format(mode="transaction"))
        return ""

    def _judge_size(self, connections: int, problem: str) -> None:
        if connections == 1:
            most = self._pool.connections
            raise UnsuitableDatabase(POOL_TOO_SMALL.format(problem=problem, connections=most))
        if connections < FEW_CONNECTIONS:
            log.warning(
                "the connection pooler has few connections for this service; calls will wait for the sync",
                connections=connections,
                wanted=self._pool.connections,
            )

    def _check_session(self) -> None:
        """Raise if settings or advisory locks do not outlive a statement, for any reason."""
        key = random.getrandbits(31)
        ask = self._pool.execute_sql
        ask("SELECT pg_try_advisory_lock(%s)", (key,))
        milliseconds = ask("SELECT setting::bigint FROM pg_settings WHERE name = 'lock_timeout'").fetchone()[0]
        released = ask("SELECT pg_advisory_unlock(%s)", (key,)).fetchone()[0]
        if milliseconds != self._busy_seconds * 1_000 or not released:
            raise UnsuitableDatabase(NEEDS_SESSION_MODE.format(mode="another than session"))

    def _own_process(self) -> int:
        """Ask the idle connection for its process. Having to wait for one means that it has none of its own."""
        try:
            with deadline(self._pool.connection(), self._busy_seconds):
                process: int = self._pool.execute_sql("SELECT pg_backend_pid()").fetchone()[0]
        except (peewee.DatabaseError, psycopg.Error) as error:
            raise UnsuitableDatabase(NEEDS_SESSION_MODE.format(mode="transaction")) from error
        return process

    @contextlib.contextmanager
    def _another_connection(self) -> Iterator[psycopg.Connection[Any]]:
        connection = psycopg.connect(self._url, autocommit=True, **self._pool.parameters)
        try:
            session: Session = begin_session(connection, self._busy_seconds, patience=self._busy_seconds)
            connection.prepare_threshold = None
            assert not session.is_standby
            yield connection
        finally:
            with contextlib.suppress(psycopg.Error):
                connection.rollback()  # pgbouncer closes a server connection that is left in a transaction
            connection.close()


def _process(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    assert row is not None
    process: int = row[0]
    return process
