"""Stores for tests: each a fresh database, already migrated because it is copied from one that was."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from service_kit.migrations import migrate
from service_kit.store import Store, StoreTimes, open_store
from tests.support.postgresql import PostgresqlServer
from tests.support.used_databases import UsedDatabases

ServerName = Literal["admin", "frontend"]
Engine = Literal["sqlite", "postgresql"]

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")

PATIENT = StoreTimes(busy_seconds=100.0)
"""For a store on which a test waits for other writers: on a machine that stalls, the 5 s of a service can run out."""


class FreshDatabases:
    """Makes fresh databases of either engine, for the session."""

    def __init__(self, folder: Path, postgresql: Callable[[], PostgresqlServer]) -> None:
        """SQLite files go into `folder`; `postgresql` returns the server, and is called only when one is needed."""
        self._folder = folder
        self._postgresql = postgresql
        self._templates: dict[tuple[ServerName, Engine], str] = {}
        self._used: dict[ServerName, UsedDatabases] = {}
        self._files = 0

    def empty(self, engine: Engine) -> str:
        """A database without a table; its URL."""
        return self._new(engine, template=None)

    def migrated(self, server: ServerName, engine: Engine) -> str:
        """A database with the newest schema of that server, and nothing in it; its URL."""
        if (server, engine) not in self._templates:
            url = self.empty(engine)
            store = open_store(url)
            migrate(store, migrations_of(server))
            store.close()
            self._templates[server, engine] = url
            if engine == "postgresql":
                self._used[server] = UsedDatabases(url)
        used = self._used[server].take() if engine == "postgresql" else None
        return used or self.copy(self._templates[server, engine])

    def leave(self, server: ServerName, url: str) -> None:
        """Let a later test use a database from `migrated`, made fresh, after its store was closed."""
        if server in self._used and not url.startswith("sqlite:"):  # a restored one is of no template
            self._used[server].leave(url)

    def copy(self, url: str) -> str:
        """Another database with all that is in this one, to which nobody may be connected; its URL."""
        engine: Engine = "sqlite" if url.startswith("sqlite:") else "postgresql"
        return self._new(engine, template=url)

    def _new(self, engine: Engine, template: str | None) -> str:
        if engine == "postgresql":
            server = self._postgresql()
            return server.url(server.new_database(template and server.name_of(template)))
        self._files += 1
        file = self._folder / f"{self._files}" / "library.db"
        file.parent.mkdir()
        if template is not None:
            source = Path(template.removeprefix("sqlite:///"))
            for part in source.parent.glob(f"{source.name}*"):  # the log of what is not in the file yet, too
                shutil.copy(part, file.parent)
        return f"sqlite:///{file}"


@contextmanager
def bound_store(server: ServerName, url: str, times: StoreTimes = PATIENT) -> Iterator[Store]:
    """An open store that the server's models work on, with the patience of the tests unless a test is about that.

    They are bound for the whole process, and both servers count their revisions by the same model: one at a time.
    """
    assert not _bound, f"{_bound[0].safe_url} is bound; a server of the other kind needs a process of its own"
    store = open_store(url, times=times)
    importlib.import_module(f"{server}_server.store.models").bind(store)
    _bound.append(store)
    try:
        yield store
    finally:
        _bound.clear()
        store.close()


_bound: list[Store] = []


def migrations_of(server: ServerName) -> Path:
    """Where a server's migrations are."""
    directory: Path = importlib.import_module(f"{server}_server.store.models").MIGRATIONS
    return directory
