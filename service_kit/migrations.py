"""Migrates a store to the schema of this version."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from playhouse.migrations import Runner

from service_kit.store import Store, StoreSettingsError

MIGRATION_LOCK = 0x6C69_6272  # any number, the same in all processes of a store


def migrate(store: Store, directory: Path) -> list[str]:
    """Apply the migrations in `directory` that the store lacks, all or none; return their names.

    Processes that start at the same time wait for one another, and only the first one applies them.

    Raises:
        StoreSettingsError: The database refuses a statement: since PostgreSQL 15 not every user can make tables.
    """
    with store.explained("bring {} up to date"), store.writing():
        if store.is_postgresql:
            store.database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        applied: list[str] = Runner(store.database, str(directory)).up()
    return applied


@contextmanager
def alone_in(store: Store) -> Iterator[None]:
    """Begin one transaction that may write. Until it ends, no other process uses the store.

    On PostgreSQL this takes the lock of the migrations, for which a process that starts waits; a process that runs is
    found by its session. On SQLite other processes are locked out until the store is closed.

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
    """Return whether the migrations that were just applied have made the store, and not only changed it."""
    return min(file.stem for file in directory.glob("[0-9]*.py")) in applied


def pending(store: Store, directory: Path) -> list[str]:
    """Return the names of the migrations that the store lacks."""
    with store.reading():
        return [
            migration.name for migration in Runner(store.database, str(directory)).status() if not migration.applied
        ]


def migrate_restored(store: Store, directory: Path) -> None:
    """Migrate a database that was restored while the program runs.

    Raises:
        StoreSettingsError: As `migrate`; and the database has no migration, as during a restore, which new tables would
            disturb.
    """
    waiting = pending(store, directory)
    if len(waiting) == len(list(directory.glob("[0-9]*.py"))):
        raise StoreSettingsError(f"the store {store.safe_url} is empty or is being restored")
    if waiting:
        migrate(store, directory)
