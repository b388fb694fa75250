"""The environment of the benchmarks: stores of both engines, server processes, callers, and their sizes."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from benchmarks.books import fill_admin, fill_frontend
from benchmarks.callers import Callers
from service_kit.settings import OPEN
from service_kit.store import Store, open_store
from tests.support.postgresql import PostgresqlServer, running_postgresql
from tests.support.processes import ROOT, Servers
from tests.support.rest import RestServers

Engine = Literal["SQLite", "PostgreSQL"]
ENGINES: tuple[Engine, ...] = ("SQLite", "PostgreSQL")


@dataclass(frozen=True)
class Scale:
    """The sizes of the benchmarks."""

    books: int
    """In the frontend for reads and loans."""
    many_books: int
    """In the first sync, and in the idle poll."""
    pairs: int
    seconds: float
    """The length of each round of calls."""
    loans: int
    """In each round of loans without gRPC."""
    sync_pairs: int


FULL = Scale(books=100_000, many_books=1_000_000, pairs=5, seconds=1.0, loans=300, sync_pairs=2)
QUICK = Scale(books=1_500, many_books=3_000, pairs=1, seconds=0.1, loans=20, sync_pairs=1)

FEW_BOOKS = 1_000
"""In the small catalogue of the idle poll."""


@dataclass(frozen=True)
class Listening:
    """A running server process."""

    address: str
    """HOST:PORT."""
    pid: int


class Environment:
    """Makes stores, servers and callers, which end with the exit stack."""

    def __init__(self, folder: Path, scale: Scale, ending: contextlib.ExitStack) -> None:
        self.folder = folder
        self.scale = scale
        self._ending = ending
        self._files = 0
        self._book_ids: dict[Engine, list[str]] = {}

    @functools.cached_property
    def callers(self) -> Callers:
        return self._ending.enter_context(Callers())

    @functools.cached_property
    def servers(self) -> Servers:
        """Starts the product's own server processes."""
        servers = Servers(self.folder)
        self._ending.callback(_quietly, servers.close)
        return servers

    @functools.cached_property
    def rest_servers(self) -> RestServers:
        """Starts library-rest."""
        servers = RestServers(self.folder)
        self._ending.callback(_quietly, servers.close)
        return servers

    @functools.cached_property
    def _postgresql(self) -> PostgresqlServer:
        server = self._ending.enter_context(running_postgresql())
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            # The tests' server does not wait for the disk. A real one has to.
            connection.execute(sql.SQL("ALTER SYSTEM RESET ALL"))
            connection.execute(sql.SQL("SELECT pg_reload_conf()"))
        return server

    def new_database(self, engine: Engine) -> str:
        """Return the URL of a new, empty database."""
        if engine == "PostgreSQL":
            return self._postgresql.url(self._postgresql.new_database())
        self._files += 1
        return f"sqlite:///{self.folder / f'{self._files}.db'}"

    def drop(self, url: str) -> None:
        """Remove a SQLite database to free the disk."""
        file = Path(urlsplit(url).path.removeprefix("/"))
        for part in file.parent.glob(f"{file.name}*"):
            part.unlink()

    @functools.cached_property
    def frontend_urls(self) -> dict[Engine, str]:
        """The URLs of the frontends' stores with `scale.books` that were made so far."""
        return {}

    def frontend_store(self, engine: Engine) -> tuple[str, list[str]]:
        """Return the URL and the book ids of a frontend's store with `scale.books`, made once."""
        if engine not in self.frontend_urls:
            self.frontend_urls[engine] = self.new_database(engine)
            with opened(self.frontend_urls[engine]) as store:
                self._book_ids[engine] = fill_frontend(store, self.scale.books)
                settle(store)
        return self.frontend_urls[engine], self._book_ids[engine]

    @functools.cache  # noqa: B019 - there is one environment, and it lasts as long as the program
    def admin_store(self, count: int) -> str:
        """Return the URL of an admin's store on SQLite with `count` books, made once."""
        url = self.new_database("SQLite")
        with opened(url) as store:
            fill_admin(store, count)
            settle(store)
        return url

    @contextlib.contextmanager
    def frontend_with_ceilings(self, engine: Engine, access: str = OPEN) -> Iterator[Listening]:
        """Run a frontend server on `frontend_store`, with the yardsticks' handlers, in a mode of access."""
        url, _ = self.frontend_store(engine)
        with self.process("frontend_with_ceilings", url, access) as frontend:
            yield frontend

    @contextlib.contextmanager
    def process(self, module: str, *arguments: str) -> Iterator[Listening]:
        """Run a module of the benchmarks as a process, which prints `listening ADDRESS` and ends with its input."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            words = process.stdout.readline().split()
            if words[:1] != ["listening"]:
                raise RuntimeError(f"{module} did not start, exit status {process.wait()}")
            yield Listening(words[1], process.pid)
        finally:
            process.communicate()  # closes its standard input, which stops it, and waits


def _quietly(close: Callable[[], None]) -> None:
    """Close without printing the logs, which are for failing tests."""
    with contextlib.redirect_stdout(io.StringIO()):
        close()


@contextlib.contextmanager
def opened(url: str) -> Iterator[Store]:
    """Open a store, and close it at the end."""
    store = open_store(url)
    try:
        yield store
    finally:
        store.close()


def settle(store: Store) -> None:
    """Run the engine's maintenance now, so that it does not run during a measurement."""
    if store.is_postgresql:
        with store.reading():
            store.database.execute_sql("VACUUM ANALYZE")
            store.database.execute_sql("CHECKPOINT")
    else:
        store.database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
