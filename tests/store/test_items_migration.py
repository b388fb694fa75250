"""Stores of before there were items get them for the copies of their books: `0011_items` of the admin."""

from __future__ import annotations

import shutil
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from admin_server.store.models import Book, Item
from admin_server.sync.epochs import begin_epoch
from admin_server.sync.repair import find_damage
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_WITHDRAWN
from library_domain.barcodes import item_barcode
from service_kit.ids import new_id
from service_kit.migrations import migrate
from service_kit.store import open_store
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.stores import Engine, FreshDatabases, bound_store, migrations_of

EMPTY = {"authors": "[]", "isbn": "", "publisher": "", "category": "", "language": "", "published_year": 0}
EMPTY |= {"page_count": 0, "description": "", "cover_uri": "", "words": "", "create_time": 1, "update_time": 1}


def store_of_before(databases: FreshDatabases, engine: Engine, folder: Path) -> str:
    """Return the URL of a store with the tables of before there were items."""
    url = databases.empty(engine)
    for file in migrations_of("admin").glob("*.py"):
        if file.stem < "0011":
            shutil.copy(file, folder)
    store = open_store(url)
    migrate(store, folder)
    store.close()
    return url


def fill(url: str, books: Sequence[tuple[str, int, int]], open_loans: int = 0) -> list[str]:
    """Insert books, each of its title, its copies and its state, and open loans of the first ones; return the ids."""
    store = open_store(url)
    ids = [new_id() for _ in books]
    with store.writing():
        rows: list[dict[str, Any]] = [
            {**EMPTY, "id": book_id, "title": title, "total_copies": copies, "state": state, "revision": number}
            | {"on_loan": int(number <= open_loans)}
            for number, (book_id, (title, copies, state)) in enumerate(zip(ids, books, strict=True), 1)
        ]
        insert(store, "book", rows)
        loan = {"user_id": new_id(), "book_title": "T", "days": 14, "borrow_time": 1, "due_time": 2, "revision": 1}
        loan |= {"renewal_count": 0, "fine_currency": "", "fine_nanos": 0}
        insert(store, "loan", [{**loan, "id": new_id(), "book_id": book_id} for book_id in ids[:open_loans]])
        store.database.execute_sql(f"UPDATE counter SET revision = {len(books)}")
    store.close()
    return ids


def insert(store: Any, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        marks = ", ".join([store.database.param] * len(rows[0]))
        sql = f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({marks})"
        store.database.cursor().executemany(sql, [tuple(row.values()) for row in rows])


def test_the_copies_of_all_books_become_items(
    databases: FreshDatabases, engine: Engine, tmp_path: Path, clock: SettableClock
) -> None:
    url = store_of_before(databases, engine, tmp_path)
    books = [("A", 2, BOOK_STATE_ACTIVE), ("B", 1, BOOK_STATE_UNAVAILABLE), ("C", 3, BOOK_STATE_REMOVED)]
    books += [("D", -1, BOOK_STATE_ACTIVE), ("E", 1, BOOK_STATE_ACTIVE)]
    ids = fill(url, books, open_loans=1)
    store = open_store(url)
    assert "0011_items" in migrate(store, migrations_of("admin"))
    store.close()
    with bound_store("admin", url) as store:
        admin = Admin(store, clock)
        with store.reading():
            rows = list(Item.select().order_by(Item.key))
            lendable = [row.lendable_copies for row in Book.select().order_by(Book.key)]
            assert len(find_damage(store)) == 1, "a number of copies below zero does not count items"
        assert [row.barcode for row in rows] == [item_barcode(number) for number in range(1, 8)]
        assert [row.book_id for row in rows] == [ids[0], ids[0], ids[1], *[ids[2]] * 3, ids[4]]
        assert [row.state for row in rows] == [
            *[ITEM_STATE_IN_SERVICE] * 3, *[ITEM_STATE_WITHDRAWN] * 3, ITEM_STATE_IN_SERVICE,
        ]  # fmt: skip
        assert [row.revision for row in rows] == list(range(6, 13))
        assert lendable == [2, 1, 0, 0, 1]
        assert [(book.total_copies, book.available_copies) for book in admin.books()] == [
            (2, 1), (1, 0), (-1, 0), (1, 1),
        ]  # fmt: skip
        assert admin.get(ids[2]).total_copies == 3
        assert len(admin.all_changes()[0]) == 12
        assert admin.create_item(ids[4]).barcode == item_barcode(8)
        assert [book.title for book in admin.unavailable()] == ["B", "D"]


@pytest.mark.slow
def test_a_large_store_is_migrated_in_bounded_memory(
    databases: FreshDatabases, engine: Engine, tmp_path: Path, clock: SettableClock
) -> None:
    url = store_of_before(databases, engine, tmp_path)
    count = 10_000
    fill(url, [(f"T{number}", 3, BOOK_STATE_ACTIVE) for number in range(count)], open_loans=count // 2)
    store = open_store(url)
    tracemalloc.start()
    began = time.monotonic()
    migrate(store, migrations_of("admin"))
    print(f"{3 * count} items in {time.monotonic() - began:.1f} s")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    store.close()
    assert peak < 15_000_000
    with bound_store("admin", url) as store:
        begin_epoch(store, clock)
        with store.reading():
            assert Item.select().count() == 3 * count
            assert find_damage(store) == []
