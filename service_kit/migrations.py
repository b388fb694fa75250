"""Brings a store to the schema that the program was written for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from playhouse.migrations import Runner

from service_kit.store import Store, StoreSettingsError

MIGRATION_LOCK = 0x6C69_6272  # any number, so long as all processes of a store take the same


def migrate(store: Store, directory: Path) -> list[str]:
    """Apply the migrations in `directory` that the store has not had yet, all or none; give their names.

    Processes that start at the same moment wait for one another. Whoever comes second finds nothing to do. Raises
    `StoreSettingsError` where the database refuses: since PostgreSQL 15 not every user may make tables, for one.
    """
    with store.explained("bring {} up to date"), store.writing():
        if store.is_postgresql:
            store.database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        applied: list[str] = Runner(store.database, str(directory)).up()
    return applied


@contextmanager
def alone_in(store: Store) -> Iterator[None]:
    """One transaction that may write. Until it ends, no other process uses the store or begins to.

    On PostgreSQL a process that starts waits for the lock of the migrations, which this holds; one that has passed it
    is counted. On SQLite other processes stay locked out until the store is closed.

    Raises:
        StoreSettingsError: The store is in use.
    """
    if not store.is_postgresql:
        store.refuse_shared()
    with store.explained("repair {}"), store.writing():
        if store.is_postgresql:
            store.lift_time_limit()
            store.database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            store.refuse_shared()
        yield


def made_store(applied: Collection[str], directory: Path) -> bool:
    """Whether the migrations that were just applied have made the store, and not only changed it."""
    return min(file.stem for file in directory.glob("[0-9]*.py")) in applied


def pending(store: Store, directory: Path) -> list[str]:
    """Name the migrations that the store has not had yet."""
    with store.reading():
        return [
            migration.name for migration in Runner(store.database, str(directory)).status() if not migration.applied
        ]


def migrate_restored(store: Store, directory: Path) -> None:
    """Bring a database that was restored under the running program up to date.

    Raises `StoreSettingsError` as `migrate` does, and for a database without any migration: it is being restored, or
    was made again without its data, and tables made now would be in the way.
    """
    waiting = pending(store, directory)
    if len(waiting) == len(list(directory.glob("[0-9]*.py"))):
        raise StoreSettingsError(f"the store {store.safe_url} is empty or is being restored")
    if waiting:
        migrate(store, directory)
