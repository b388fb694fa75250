"""On PostgreSQL a writer that takes its revision first and commits last is not passed by a reader.

With a database sequence in place of the counter row it would be, and for ever: the same scenario shows that, too, so
that nobody takes the counter row for a slow way of counting.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
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


def count_by(monkeypatch: pytest.MonkeyPatch, take_revisions: Callable[..., int]) -> None:
    """Let books and their items have these revisions, and barcodes without the row of the series: it is locked too."""
    for module in ("books", "inventory"):
        monkeypatch.setattr(f"admin_server.{module}.writing.take_revisions", take_revisions)
    starts = itertools.count(1_000, 100)

    def numbers(count: int) -> range:
        start = next(starts)
        return range(start, start + count)

    monkeypatch.setattr("admin_server.inventory.writing.take_numbers", numbers)


def test_with_a_sequence_it_would_be_passed_for_ever(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    database = admin.store.database
    database.execute_sql(f"CREATE SEQUENCE revisions START {revisions.head_revision() + 1}")

    def from_sequence(count: int = 1) -> int:
        taken = database.execute_sql("SELECT nextval('revisions') FROM generate_series(1, %s)", (count,)).fetchall()
        return int(taken[0][0])

    def head_of_sequence() -> int:
        return int(database.execute_sql("SELECT last_value FROM revisions").fetchone()[0])

    count_by(monkeypatch, from_sequence)
    monkeypatch.setattr("admin_server.sync.changes.head_revision", head_of_sequence)
    monkeypatch.setattr("admin_server.sync.epochs.head_revision", head_of_sequence)
    seen, there = followed(admin, writers_wait=False)
    assert sorted(there) == ["quick", "slow"]
    assert seen == ["quick"]


def test_so_would_it_be_with_a_cursor_of_the_rows_that_were_seen(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the head of the sequence is the trouble: a reader that goes by the last row it saw loses the row as well."""
    database = admin.store.database
    database.execute_sql(f"CREATE SEQUENCE revisions START {revisions.head_revision() + 1}")
    count_by(monkeypatch, lambda count=1: int(database.execute_sql("SELECT nextval('revisions')").fetchone()[0]))

    def newest_row() -> int:
        return int(database.execute_sql("SELECT coalesce(max(revision), 1) FROM book").fetchone()[0])

    monkeypatch.setattr("admin_server.sync.changes.head_revision", newest_row)
    monkeypatch.setattr("admin_server.sync.epochs.head_revision", newest_row)
    seen, there = followed(admin, writers_wait=False)
    assert sorted(there) == ["quick", "slow"]
    assert seen == ["quick"]
