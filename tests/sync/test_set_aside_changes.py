"""A change that cannot be applied is set aside, but for its state: what stops lending is applied."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from frontend_server.browse import catalog
from frontend_server.circulation.checkout import borrow_book
from frontend_server.members.members import enroll_user
from frontend_server.sync.set_aside import ID_LENGTH
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.sync.v1.sync_service_pb2 import CatalogChange
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, Book
from library_domain.errors import BookRemoved, BookUnavailable
from service_kit.migrations import migrate
from service_kit.store import Store
from tests.support.postgresql import PostgresqlServer
from tests.support.stores import Engine, FreshDatabases, migrations_of
from tests.sync.libraries import BOOKS_ALONE, RULES, Library
from tests.sync.refusing_stores import BAD, HARDEST, aside, change, pull_altered, refuse


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, page_size=4)
    library.listed_kinds = BOOKS_ALONE
    yield library
    library.close()


# --- changes that cannot be applied ---


FAULTS: dict[str, Callable[[Book], object]] = {
    "an id too long": lambda book: setattr(book, "id", "x" * 1_000),
    "an id that is not a UUID": lambda book: setattr(book, "id", "戦争\x00\n"),
    "no book at all": lambda book: book.Clear(),
    "a NUL in the title": lambda book: setattr(book, "title", "a\0b"),
    "a NUL in the publisher": lambda book: setattr(book, "publisher", "a\0b"),
    "a NUL in the category": lambda book: setattr(book, "category", "a\0b"),
    "an unknown state": lambda book: setattr(book, "state", 77),
    "a state that no column takes": lambda book: setattr(book, "state", 4_000_000),
    "no state": lambda book: book.ClearField("state"),
    "less than no copies": lambda book: setattr(book, "total_copies", -1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_invalid_change_is_set_aside_on_both_engines(library: Library, fault: str) -> None:
    books = [library.add_book(title) for title in ("A", "B", "C", "D", "E", "F")]

    pull_altered(library, lambda change: change.book.id == books[1].id and FAULTS[fault](change.book))

    assert library.replica().keys() == {book.id for book in books} - {books[1].id}
    [row] = aside(library)
    assert len(row.id) <= ID_LENGTH
    assert row.id.isascii()
    assert row.id in ("", books[1].id) or not fault.startswith("a ")
    assert row.reason.isascii()


def test_a_book_that_the_admin_cannot_read_is_set_aside_until_it_can(library: Library) -> None:
    books = [library.add_book(title) for title in ("A", "B", "C")]
    library.pull()
    change(library, books[1], copies=4)
    with library.admin.at_work() as store, store.writing():
        store.database.execute_sql(f"UPDATE book SET authors = 'no JSON' WHERE id = '{books[1].id}'")

    library.pull()

    [row] = aside(library)
    assert row.id == books[1].id
    assert row.reason.startswith("the title is missing")
    assert library.replica()[books[1].id].total_copies == 4
    with library.admin.at_work() as store, store.writing():
        store.database.execute_sql("UPDATE book SET authors = '[]'")
    change(library, books[1], title="B2")
    library.pull()
    assert not aside(library)
    assert library.replica() == library.catalogue()


def test_two_long_ids_that_begin_alike_are_two_rows(library: Library) -> None:
    for title in ("A", "B"):
        library.add_book(title)

    def lengthen(change: CatalogChange) -> None:
        change.book.id = "x" * 500 + change.book.title

    pull_altered(library, lengthen)
    assert len(aside(library)) == 2


def test_a_publisher_too_large_for_an_index_is_applied(databases: FreshDatabases) -> None:
    """PostgreSQL's B-trees take 2.7 kB. What is indexed of a publisher is its key, which is shorter."""
    library = Library(databases, "postgresql")
    noise = random.Random(1)
    publisher = "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(3_000))
    books = [library.add_book(title) for title in ("A", "B")]

    def lengthen(change: CatalogChange) -> None:
        if change.book.id == books[1].id:
            change.book.publisher = publisher

    pull_altered(library, lengthen)
    assert library.replica().keys() == {book.id for book in books}
    assert aside(library) == []
    library.close()


def test_a_title_outside_the_encoding_of_the_database_is_set_aside(
    databases: FreshDatabases, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a database is refused at a start; one that is in use all the same must not stop the pull."""
    library = Library(databases, "postgresql")
    library.frontend.close()
    library.frontend.url = postgresql.url(postgresql.new_database(encoding="LATIN1"))
    monkeypatch.setattr(Store, "check_database", lambda store: None)
    library.frontend.store = library.frontend.opened()
    migrate(library.frontend.store, migrations_of("frontend"))
    library.start_frontend()
    books = [library.add_book(title) for title in ("Ågrén", "戦争と平和", "Łódź", "B")]

    library.pull()

    assert library.replica().keys() == {books[0].id, books[3].id}
    assert [row.id for row in aside(library)] == [books[1].id, books[2].id]
    change(library, books[2], title="Lodz")
    library.pull()
    assert [row.id for row in aside(library)] == [books[1].id]
    assert library.replica()[books[2].id].title == "Lodz"
    library.close()


# --- what is lent ---


@pytest.mark.parametrize("newest", ["removed", "unavailable", "of an unknown state"])
@pytest.mark.parametrize("why", ["its text", "its state", "its message and its state"])
def test_a_book_whose_newest_version_may_not_be_lent_is_not_lent(
    library: Library, engine: Engine, newest: str, why: str
) -> None:
    """That version cannot be applied, but its state, which stops lending, is."""
    book = library.add_book("A book")
    library.sync()
    with library.frontend.at_work() as store:
        request = EnrollUserRequest(email="rita@example.org", first_name="Rita", last_name="Reader")
        user = enroll_user(store, request, library.clock)
    if why != "its text":
        columns = {"its state": "state", "its message and its state": "message, state"}[why]
        _refuse_updates(library, engine, of=columns)

    def newer(new: CatalogChange) -> None:
        new.book.state = {  # type: ignore[assignment]
            "removed": BOOK_STATE_REMOVED,
            "unavailable": BOOK_STATE_UNAVAILABLE,
            "of an unknown state": 77,
        }[newest]
        if why == "its text":
            new.book.title = "\0"

    change(library, book, copies=5)
    pull_altered(library, newer)

    assert len(aside(library)) == 1
    with library.frontend.at_work() as store:
        borrow = BorrowBookRequest(book_id=book.id, user_id=user.id, days=7)
        with pytest.raises((BookRemoved, BookUnavailable) if why == "its text" else Exception):
            borrow_book(store, borrow, RULES, library.clock)
        if why == "its text":
            shown = catalog.get_book(store, book.id)
            assert shown.title == "A book"
            assert shown.total_copies == 5
            assert shown.state == {"removed": BOOK_STATE_REMOVED}.get(newest, BOOK_STATE_UNAVAILABLE)


def test_a_book_is_not_lent_though_another_one_fails_the_page_at_its_end(library: Library, engine: Engine) -> None:
    book = library.add_book("A book")
    library.sync()
    user = library.enroll("rita")
    refuse(library, engine, HARDEST[engine])
    change(library, book, copies=5)
    library.add_book(BAD)

    def withdraw(new: CatalogChange) -> None:
        if new.book.id == book.id:
            new.book.title, new.book.state = "\0", BOOK_STATE_UNAVAILABLE

    pull_altered(library, withdraw)

    assert len(aside(library)) == 2
    with pytest.raises(BookUnavailable):
        library.lend(book, user.id)


# --- steps ---


def _refuse_updates(library: Library, engine: Engine, of: str) -> None:
    """Let the frontend's store refuse every change of these columns of any book."""
    if engine == "sqlite":
        statements = [f"CREATE TRIGGER fixed BEFORE UPDATE OF {of} ON book BEGIN SELECT RAISE(ABORT, 'fixed'); END"]
    else:
        body = "BEGIN RAISE EXCEPTION 'fixed'; END"
        statements = [
            f"CREATE FUNCTION fixed() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            f"CREATE TRIGGER fixed BEFORE UPDATE OF {of} ON book FOR EACH ROW EXECUTE FUNCTION fixed()",
        ]
    with library.frontend.at_work() as store, store.reading():
        for statement in statements:
            store.database.execute_sql(statement)
