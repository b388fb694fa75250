"""On PostgreSQL a writer that takes its revision first and commits last is not passed by a reader.

With a database sequence in place of the counter row it would be, and for ever: the same scenario shows that, too, so
that nobody takes the counter row for a slow way of counting.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from admin_server.books import catalog
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from service_kit import revisions
from service_kit.clock import Clock
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.stores import FreshDatabases, bound_store

WAIT_SECONDS = 100.0


@pytest.fixture
def admin(databases: FreshDatabases, clock: SettableClock) -> Iterator[Admin]:
    with bound_store("admin", databases.migrated("admin", "postgresql")) as store:
        yield Admin(store, clock)


class SlowWriter:
    """Adds a book and stays in the transaction, its revision taken, until `may_commit` is set."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self.has_revision, self.may_commit = Event(), Event()

    def add(self, title: str) -> None:
        with self._store.writing():  # the transaction of add_book becomes a part of this one
            catalog.add_book(self._store, AddBookRequest(title=title), self._clock)
            self.has_revision.set()
            assert self.may_commit.wait(WAIT_SECONDS)


def followed(admin: Admin, *, writers_wait: bool) -> tuple[list[str], list[str]]:
    """What a reader gets that follows the changes while a slow writer and a quick one write, and the titles in the end.

    `writers_wait` is whether the quick one is expected to wait for the slow one.
    """
    slow = SlowWriter(admin.store, admin.clock)
    seen: list[str] = []
    cursor = ""

    def poll() -> None:
        nonlocal cursor
        changes, cursor = admin.changes(cursor)
        seen.extend(change.book.title for change in changes)

    with ThreadPoolExecutor(2) as threads:
        try:
            first: Future[None] = threads.submit(slow.add, "slow")
            assert slow.has_revision.wait(WAIT_SECONDS)
            poll()
            second = threads.submit(admin.add, "quick")
            if writers_wait:
                with pytest.raises(TimeoutError):
                    second.result(timeout=0.3)
            else:
                second.result(WAIT_SECONDS)
            poll()
        finally:
            slow.may_commit.set()
        first.result(WAIT_SECONDS)
        poll()
        second.result(WAIT_SECONDS)
        poll()
    return seen, admin.titles()


def test_a_writer_that_commits_last_is_not_passed(admin: Admin) -> None:
    seen, there = followed(admin, writers_wait=True)
    assert seen == ["slow", "quick"]
    assert sorted(seen) == sorted(there)


@pytest.fixture
def sequences(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take revisions and barcodes from sequences: no writer waits for another one."""
    database = admin.store.database
    database.execute_sql(f"CREATE SEQUENCE revisions START {revisions.head_revision() + 1}")
    database.execute_sql("CREATE SEQUENCE barcodes")

    def take(sequence: str, count: int) -> int:
        sql = f"SELECT nextval('{sequence}') FROM generate_series(1, %s)"
        return int(database.execute_sql(sql, (count,)).fetchall()[0][0])

    def take_revisions(count: int = 1) -> int:
        return take("revisions", count)

    def take_numbers(count: int) -> range:
        first = take("barcodes", count)
        return range(first, first + count)

    monkeypatch.setattr("admin_server.books.writing.take_revisions", take_revisions)
    monkeypatch.setattr("admin_server.inventory.writing.take_revisions", take_revisions)
    monkeypatch.setattr("admin_server.inventory.writing.take_numbers", take_numbers)


@pytest.mark.usefixtures("sequences")
def test_with_a_sequence_it_would_be_passed_for_ever(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    def head_of_sequence() -> int:
        return int(admin.store.database.execute_sql("SELECT last_value FROM revisions").fetchone()[0])

    monkeypatch.setattr("admin_server.sync.changes.head_revision", head_of_sequence)
    monkeypatch.setattr("admin_server.sync.epochs.head_revision", head_of_sequence)
    seen, there = followed(admin, writers_wait=False)
    assert sorted(there) == ["quick", "slow"]
    assert seen == ["quick"]


@pytest.mark.usefixtures("sequences")
def test_so_would_it_be_with_a_cursor_of_the_rows_that_were_seen(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the head of the sequence is the trouble: a reader that goes by the last row it saw loses the row as well."""
    both = "SELECT revision FROM book UNION ALL SELECT revision FROM item"

    def newest_row() -> int:
        newest = f"SELECT coalesce(max(revision), 1) FROM ({both}) AS rows"
        return int(admin.store.database.execute_sql(newest).fetchone()[0])

    monkeypatch.setattr("admin_server.sync.changes.head_revision", newest_row)
    monkeypatch.setattr("admin_server.sync.epochs.head_revision", newest_row)
    seen, there = followed(admin, writers_wait=False)
    assert sorted(there) == ["quick", "slow"]
    assert seen == ["quick"]
