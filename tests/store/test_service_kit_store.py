"""The store itself: opening, transactions, snapshots."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import peewee
import pytest
from playhouse.cysqlite_ext import CySqliteDatabase

from service_kit.store import Store, StoreSettingsError, StoreTimes, open_store
from tests.support.stores import FreshDatabases

FULL = 2
"""What SQLite answers for `synchronous = FULL`."""


@pytest.fixture
def store(admin_store: Store) -> Store:
    """A store with a table to write to."""
    admin_store.database.execute_sql("CREATE TABLE shelf (number INTEGER PRIMARY KEY)")
    return admin_store


def add(store: Store, number: int) -> None:
    store.database.execute_sql(f"INSERT INTO shelf VALUES ({number})")


def numbers(store: Store) -> list[int]:
    with store.reading():
        return [row[0] for row in store.database.execute_sql("SELECT number FROM shelf ORDER BY number").fetchall()]


def test_a_file_that_another_process_is_about_to_make_a_wal_file_is_waited_for(tmp_path: Path) -> None:
    """While the other one writes, SQLite refuses the change to WAL at once, with any timeout."""
    other = CySqliteDatabase(tmp_path / "new.db", thread_safe=False)
    other.execute_sql("CREATE TABLE shelf (number INTEGER)")
    other.execute_sql("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as thread:
        opening = thread.submit(journal_mode, f"sqlite:///{tmp_path}/new.db")
        with pytest.raises(TimeoutError):
            opening.result(timeout=0.2)
        other.execute_sql("ROLLBACK")
        assert opening.result(timeout=100) == "wal"
    other.close()


def journal_mode(url: str) -> str:
    store = open_store(url)
    mode: str = store.database.execute_sql("PRAGMA journal_mode").fetchone()[0]
    store.close()
    return mode


def test_a_transaction_is_committed_as_a_whole_or_not_at_all(store: Store) -> None:
    with store.writing():
        add(store, 1)
        add(store, 2)

    def fail() -> None:
        with store.writing():
            add(store, 3)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert numbers(store) == [1, 2]


def test_a_snapshot_sees_one_moment(store: Store) -> None:
    with store.writing():
        add(store, 1)

    def add_in_another_thread(number: int) -> None:
        with store.writing():
            add(store, number)
        if not store.is_postgresql:
            store.database.close()

    with ThreadPoolExecutor(1) as thread, store.snapshot():
        assert numbers(store) == [1]
        thread.submit(add_in_another_thread, 2).result(100)
        assert numbers(store) == [1]
    assert numbers(store) == [1, 2]


def test_each_connection_to_a_file_waits_for_the_disk_at_a_commit(databases: FreshDatabases) -> None:
    """With `synchronous = NORMAL` a commit is in the log of the file, but a power cut may undo it."""
    store = open_store(databases.empty("sqlite"))

    def settings() -> list[object]:
        with store.writing():
            found = [
                store.database.execute_sql(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")
            ]
        store.database.close()
        return found

    with ThreadPoolExecutor(1) as thread:
        assert [settings(), thread.submit(settings).result(), settings()] == [[FULL, "wal"]] * 3
    store.close()


def test_a_writer_that_has_read_keeps_other_processes_from_writing(databases: FreshDatabases) -> None:
    """Otherwise SQLite refuses its first write, at once, where another process has written since it read."""
    url = databases.empty("sqlite")
    store = open_store(url)
    store.database.execute_sql("CREATE TABLE shelf (number INTEGER PRIMARY KEY)")
    other = CySqliteDatabase(url.removeprefix("sqlite:///"), thread_safe=False, timeout=0)
    with store.writing():
        assert numbers(store) == []
        with pytest.raises(peewee.OperationalError, match="locked"):
            other.execute_sql("INSERT INTO shelf VALUES (1)")
        add(store, 2)
    assert numbers(store) == [2]
    other.close()
    store.close()


def test_writers_of_many_threads_wait_for_one_another(store: Store) -> None:
    """Each reads before it writes; a deferred SQLite transaction fails at that at once."""

    def add_next(_: int) -> None:
        with store.writing():
            if store.is_postgresql:
                store.database.execute_sql("LOCK TABLE shelf")
            add(store, len(numbers(store)))
        if not store.is_postgresql:
            store.database.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_next, range(40)))
    assert numbers(store) == list(range(40))


def test_a_lock_that_was_left_behind_does_not_stop_work_for_ever(databases: FreshDatabases) -> None:
    url = databases.empty("postgresql")
    store, other = open_store(url), open_store(url)
    impatient = open_store(url, times=StoreTimes(locked_out_seconds=0))
    with other.try_lock("pull"):
        with store.try_lock("pull") as locked:
            assert not locked
        with impatient.try_lock("pull") as locked:
            assert locked
    store.close()
    other.close()
    impatient.close()


def test_a_store_knows_its_size(store: Store) -> None:
    assert 4_096 < store.size_bytes() < 100_000_000


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "begins with sqlite:/// or postgresql://"),
        ("library.db", "begins with sqlite:/// or postgresql://"),
        ("mysql://u:secret@h/x", "begins with sqlite:/// or postgresql://"),
        ("sqlite:", "names a file"),
        ("sqlite://", "names a file"),
        ("sqlite:///", "names a file"),
        ("sqlite:////dev/null/x/library.db", "cannot make the folder /dev/null/x"),
        ("postgresql://u:secret@127.0.0.1:1/x", "cannot open the store"),
        ("postgresql://u:secret@127.0.0.1:one/x", "cannot open the store"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_with_what_to_do_and_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(StoreSettingsError, match=problem) as refused:
        open_store(url)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "library.db").write_text("This is not a database, but a text that is long enough to be one.\n" * 100)
    with pytest.raises(StoreSettingsError, match="not a database"):
        open_store(f"sqlite:///{tmp_path}/library.db")


@pytest.mark.parametrize(
    ("url", "safe_url"),
    [
        ("postgresql://u:secret@h:5432/library", "postgresql://u@h:5432/library"),
        ("postgresql://u:secret@h/library?sslmode=require", "postgresql://u@h/library"),
        ("postgresql:///library?password=secret", "postgresql:///library"),
        ("postgresql://h/library?password=secret", "postgresql://h/library"),
        ("postgresql://u@h/library", "postgresql://u@h/library"),
    ],
)
def test_the_password_is_not_in_the_url_that_is_logged(url: str, safe_url: str) -> None:
    assert Store(peewee.PostgresqlDatabase(None), url).safe_url == safe_url
