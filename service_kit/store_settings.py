"""Settings of servers that have a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from service_kit.server import Limits
from service_kit.settings import setting
from service_kit.store import Store, open_store
from service_kit.store_checks import Schema

Command = TypeVar("Command", bound=Callable[..., Any])


def database_setting(prefix: str, default: str) -> Callable[[Command], Command]:
    """Where the store is."""
    return setting(
        prefix,
        "--database-url",
        default=default,
        help="sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host/name",
    )


def limits_for(store: Store, threads: int | None, concurrent_calls: int, grace: float) -> Limits:
    """Limits that suit the engine.

    With SQLite a few threads are quickest, since they trade Python's lock at each query; with PostgreSQL they wait.
    """
    return Limits(threads or (16 if store.is_postgresql else 4), concurrent_calls, grace)


def open_store_for(database_url: str, threads: int | None, schema: Schema, spare: int = 4) -> Store:
    """Open the store of a service with a connection for each thread, and some for the jobs beside them."""
    return open_store(database_url, connections=(threads or 16) + spare, schema=schema)
