"""ListCatalogChanges on both engines: every change is sent once, and a cursor of another database is refused."""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from library.sync.v1.sync_service_pb2 import CatalogChange
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, Book
from library.v1.item_pb2 import ITEM_STATE_WITHDRAWN
from library_domain.errors import CursorExpired
from service_kit.errors import FieldInvalid
from service_kit.revisions import head_revision, take_revisions
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.stores import FreshDatabases, bound_store


def as_sent(row: Any) -> Any:
    """The book or item as the frontend gets it: without what the frontend knows better."""
    sent = type(row)()
    sent.CopyFrom(row)
    for field in ("available_copies", "next_available_time", "etag", "place", "due_time"):
        if field in sent.DESCRIPTOR.fields_by_name:
            sent.ClearField(field)
    return sent


def catalogue(admin: Admin) -> dict[str, Message]:
    books = admin.books(page_size=1_000) + admin.books(page_size=1_000, state=BOOK_STATE_REMOVED)
    items = admin.items(page_size=1_000) + admin.items(page_size=1_000, state=ITEM_STATE_WITHDRAWN)
    rows: list[Any] = [*books, *items]
    return {row.id: as_sent(row) for row in rows}


def rows_of(changes: Iterable[CatalogChange]) -> dict[str, Message]:
    rows: list[Any] = [getattr(change, str(change.WhichOneof("change"))) for change in changes]
    return {row.id: row for row in rows}


def test_an_empty_catalogue_has_a_cursor_too(admin: Admin) -> None:
    changes, cursor = admin.changes()
    assert changes == []
    admin.add("Emma")
    assert [change.book.title for change in admin.changes(cursor)[0]] == ["Emma"]


def test_each_book_is_sent_once_in_its_newest_state(admin: Admin) -> None:
    first, second, third = (admin.add(title, description="d", authors=["a"]) for title in ("A", "B", "C"))
    _, cursor = admin.changes()
    admin.clock.advance(seconds=1)
    admin.update(Book(id=first.id, title="A2"))
    admin.remove(second.id)
    admin.update(Book(id=first.id, title="A3", state=BOOK_STATE_UNAVAILABLE))
    changes, after = admin.changes(cursor)
    assert [(change.book.id, change.book.title) for change in changes] == [(second.id, "B"), (first.id, "A3")]
    assert changes[0].book.state == BOOK_STATE_REMOVED
    assert [change.book for change in changes] == [as_sent(admin.get(second.id)), as_sent(admin.get(first.id))]
    assert admin.changes(after)[0] == []
    assert [change.book.id for change in admin.changes()[0]] == [third.id, second.id, first.id]


def test_what_is_not_of_the_catalogue_is_not_a_change(admin: Admin) -> None:
    book = admin.add("Emma")
    _, cursor = admin.changes()
    admin.record(admin.user_record(1))
    admin.record(admin.loan_record(2, book_id=book.id))
    admin.remove(admin.remove(book.id, withdraw=True).id)
    assert len(admin.changes(cursor)[0]) == 1


def test_a_refused_change_takes_no_revision(admin: Admin) -> None:
    admin.add("Emma", isbn="9780141439587")
    before = head_revision()
    with pytest.raises(FieldInvalid):
        admin.add("", isbn="x")
    with pytest.raises(FieldInvalid):
        admin.update(Book(id=admin.books()[0].id), "title")
    assert head_revision() == before


def test_pages_may_end_anywhere(admin: Admin) -> None:
    books = [admin.add(f"T{number}").id for number in range(4)]
    ids = [row_id for book_id in books for row_id in (book_id, admin.items(book_id=book_id)[0].id)]
    for page_size in (1, 3, 7, 8, 9):
        changes, cursor = admin.all_changes(page_size=page_size)
        assert list(rows_of(changes)) == ids
        revisions = [change.revision for change in changes]
        assert revisions == sorted(set(revisions))
        assert admin.all_changes(cursor) == ([], cursor)
    assert not admin.page_of_changes(page_size=8).has_more


def test_a_book_that_changes_while_pages_are_read_is_sent_again_and_none_is_lost(admin: Admin) -> None:
    books = [admin.add(f"T{number}") for number in range(6)]
    first = admin.page_of_changes(page_size=6)  # three books, each with its item
    admin.update(Book(id=books[0].id, title="changed"))  # read already
    admin.update(Book(id=books[5].id, title="changed"))  # not read yet
    rest, _ = admin.changes(first.next_cursor)
    assert [change.book.title for change in rest] == ["T3", "T4", "changed", "changed"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_replica_that_follows_page_by_page_ends_as_the_catalogue(admin: Admin, seed: int) -> None:
    rng = random.Random(seed)
    replica: dict[str, Message] = {}
    cursor = ""
    for _ in range(30):
        admin.clock.advance(seconds=1)
        there = [book.id for book in admin.books(page_size=1_000)]
        match rng.randrange(6 if there else 1):
            case 0 | 1:
                admin.add(f"T{rng.randrange(1_000)}", copies=rng.randint(1, 3))
            case 2:
                admin.update(Book(id=rng.choice(there), title=f"T{rng.randrange(1_000)}"))
            case 3:
                admin.remove(rng.choice(there))
            case 4:
                admin.restart()
            case _:
                page = admin.page_of_changes(cursor, page_size=rng.randint(1, 4))
                replica |= rows_of(page.changes)
                cursor = page.next_cursor
    rest, _ = admin.all_changes(cursor, page_size=rng.randint(1, 4))
    assert replica | rows_of(rest) == catalogue(admin)


# --- cursors ---


NOWHERE = str(uuid.UUID(int=1))


def forged(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


GARBAGE = [
    *("x", "é", "\x00", "====", "A" * 200),
    *map(forged, ("1", ":", "a:", "a:-1", "a:1", "\x00:1", f"{'0' * 35}\x00:1")),
    *(forged(NOWHERE + rest) for rest in ("", ":", ":-1", ":1.0", ":١", ":1:2", ":1\n", ":" + "9" * 100)),
]


def test_garbage_is_refused_as_cursor_and_as_receipt(admin: Admin) -> None:
    admin.add("Emma")
    for garbage in GARBAGE:
        with pytest.raises(FieldInvalid, match="cursor"):
            admin.page_of_changes(garbage)
        with pytest.raises(FieldInvalid, match="receipt"):
            admin.page_of_changes(receipt=garbage)


def test_a_cursor_of_a_store_that_never_was_this_one_has_expired(admin: Admin) -> None:
    with pytest.raises(CursorExpired):
        admin.page_of_changes(forged(f"{NOWHERE}:0"))


def test_cursors_outlive_restarts(admin: Admin) -> None:
    admin.add("A")
    _, first = admin.changes()
    admin.restart()
    admin.add("B")
    _, second = admin.changes(first)
    for _ in range(3):
        admin.restart()
    admin.add("C")
    assert [change.book.title for change in admin.changes(first)[0]] == ["B", "C"]
    assert [change.book.title for change in admin.changes(second)[0]] == ["C"]
    assert [change.WhichOneof("change") for change in admin.all_changes(second)[0]] == ["book", "item"]


@pytest.mark.parametrize("restarts", [0, 1, 3])
@pytest.mark.parametrize("overtaken", [False, True])
def test_a_store_restored_from_a_backup_knows_which_cursors_are_not_of_its_past(
    databases: FreshDatabases, admin_url: str, restarts: int, overtaken: bool
) -> None:
    clock = SettableClock()
    with bound_store("admin", admin_url) as store:
        admin = Admin(store, clock)
        book = admin.add("A")
        _, before = admin.changes()
        receipt_before = admin.record(admin.user_record(1)).receipt
    backup = databases.copy(admin_url)
    with bound_store("admin", admin_url) as store:
        admin = Admin(store, clock, runs_on=True)
        for _ in range(restarts):
            admin.restart()
        book.title = "lost"
        admin.update(book, "title")  # one revision, so that the cursor is the first that is not valid any more
        _, after = admin.changes(before)
        receipt_after = admin.record(admin.user_record(2)).receipt
    with bound_store("admin", backup) as store:
        admin = Admin(store, clock)
        if overtaken:  # as many new revisions as were lost, and more
            for number in range(10 + restarts):
                admin.add(f"new {number}")
            admin.restart()
        for cursor, receipt in ((after, ""), (after, receipt_before), (before, receipt_after), ("", receipt_after)):
            with pytest.raises(CursorExpired):
                admin.page_of_changes(cursor, receipt)
        titles = [f"new {number}" for number in range(10 + restarts)] if overtaken else []
        admin.page_of_changes(before, receipt_before)
        assert [change.book.title for change in admin.changes(before)[0]] == titles


def test_a_store_that_only_forgot_loans_is_noticed_by_the_receipt(databases: FreshDatabases, admin_url: str) -> None:
    clock = SettableClock()
    with bound_store("admin", admin_url) as store:
        admin = Admin(store, clock)
        admin.add("A")
        _, cursor = admin.changes()
        receipt = admin.record(admin.user_record(1)).receipt
    backup = databases.copy(admin_url)
    with bound_store("admin", admin_url) as store:
        admin = Admin(store, clock, runs_on=True)
        admin.page_of_changes(cursor, receipt)
        later_receipt = admin.record(admin.loan_record(2)).receipt
    with bound_store("admin", backup) as store:
        admin = Admin(store, clock)
        admin.page_of_changes(cursor, receipt)
        with pytest.raises(CursorExpired):
            admin.page_of_changes(cursor, later_receipt)


def test_a_receipt_for_nothing_new_is_as_good_as_the_one_before(admin: Admin) -> None:
    record = admin.user_record(1)
    first = admin.record(record).receipt
    assert admin.record(record).receipt == first
    admin.page_of_changes(receipt=first)


# --- revisions ---


def test_threads_that_take_revisions_at_once_get_each_its_own(admin_store: Store) -> None:
    def take(count: int) -> list[int]:
        try:
            with admin_store.writing():
                first = take_revisions(count)
            return list(range(first, first + count))
        finally:
            if not admin_store.is_postgresql:
                admin_store.database.close()

    with ThreadPoolExecutor(8) as threads:
        taken = [revision for each in threads.map(take, [1, 2, 3] * 16) for revision in each]
    assert sorted(taken) == list(range(1, 97))
    assert head_revision() == 96


def test_a_transaction_that_fails_returns_its_revisions(admin_store: Store) -> None:
    def fail() -> None:
        with admin_store.writing():
            take_revisions(5)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    with admin_store.writing():
        assert take_revisions() == 1


@pytest.mark.parametrize("broken", ["authors = 'Ann'", "authors = '[1]'"])
def test_a_book_that_cannot_be_read_stops_no_other(admin: Admin, caplog: pytest.LogCaptureFixture, broken: str) -> None:
    books = [admin.add(title) for title in ("A", "B", "C", "D")]
    removed = admin.remove(admin.add("E").id)
    for book in (books[1], removed):
        admin.store.database.execute_sql(f"UPDATE book SET {broken} WHERE id = '{book.id}'")

    cursor = ""
    for page_size in (1, 2, 100):
        changes, cursor = admin.changes(page_size=page_size)
        assert [change.book.title for change in changes] == ["A", "", "C", "D", ""]
        assert changes[1].book == Book(id=books[1].id, state=BOOK_STATE_ACTIVE, total_copies=1)
        assert changes[4].book == Book(id=removed.id, state=BOOK_STATE_REMOVED, total_copies=1)
        assert admin.changes(cursor) == ([], cursor)
    assert books[1].id in caplog.text

    admin.store.database.execute_sql("UPDATE book SET authors = '[]'")
    admin.update(Book(id=books[1].id, title="B2"))
    assert [change.book.title for change in admin.changes(cursor)[0]] == ["B2"]


def test_a_text_that_is_not_utf_8_stops_no_other_book(databases: FreshDatabases) -> None:
    """SQLite keeps any bytes as a text; PostgreSQL does not."""
    with bound_store("admin", databases.migrated("admin", "sqlite")) as store:
        admin = Admin(store, SettableClock())
        book = [admin.add(title) for title in ("A", "B", "C")][1]
        store.database.execute_sql("UPDATE book SET title = CAST(x'ff' AS TEXT) WHERE id = ?", (book.id,))
        assert [change.book.title for change in admin.changes()[0]] == ["A", "", "C"]
