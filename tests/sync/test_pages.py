"""A page and its cursor are applied together or not at all, even if a process dies or interferes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from admin_server.books.catalog import remove_book
from frontend_server.store.models import Book as Row
from frontend_server.store.models import SyncState
from frontend_server.sync.apply_page import apply_page
from frontend_server.sync.pulled_books import PulledBooks
from library.admin.v1.catalog_service_pb2 import RemoveBookRequest
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesResponse
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, Book
from service_kit.statements import Statement
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Fault, Library, WireError

BOOKS = 7


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, page_size=6)  # three books, each with its item
    yield library
    library.close()


@pytest.fixture
def books(library: Library) -> list[Book]:
    return [library.add_book(f"Book {number}") for number in range(BOOKS)]


def test_a_process_that_dies_while_it_applies_a_page_does_not_move_the_cursor(
    library: Library, books: list[Book], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = iter([True, False])
    many = Statement.many

    class Died(BaseException):  # an Exception would be the row's fault, and not end the pull
        pass

    def applied_or_died(statement: Statement, values: Any) -> None:
        many(statement, values)
        if statement is PulledBooks.upsert and not next(pages, True):
            raise Died

    monkeypatch.setattr(Statement, "many", applied_or_died)
    with pytest.raises(Died):
        library.pull()

    assert library.replica().keys() == {book.id for book in books[:3]}, "the second page is not half there"
    library.pull()
    assert library.replica() == library.catalogue()
    assert len(library.replica()) == BOOKS


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REPLY_LOST])
@pytest.mark.parametrize("page", [0, 1, 2])
def test_a_pull_that_loses_a_page_goes_on_from_the_one_before(
    library: Library, books: list[Book], fault: Fault, page: int
) -> None:
    library.wire.faults.extend([Fault.NONE] * page + [fault])
    with pytest.raises(WireError):
        library.pull()
    assert library.replica().keys() == {book.id for book in books[: 3 * page]}
    library.pull()
    assert library.replica() == library.catalogue()


@pytest.mark.parametrize("page", [0, 1, 2])
def test_of_two_pulls_at_a_time_the_slower_one_changes_nothing(library: Library, books: list[Book], page: int) -> None:
    """And it does not put the cursor back, nor bring an older state of a book back."""

    def the_other_is_quicker() -> None:
        with library.admin.at_work() as store:
            for book in books[:4]:
                remove_book(store, RemoveBookRequest(id=book.id, withdraw=False), library.clock)
        library.add_book("One more book")
        library.pull()

    library.wire.meanwhile = the_other_is_quicker
    library.wire.faults.extend([Fault.NONE] * page + [Fault.MEANWHILE])
    library.pull()

    assert library.replica() == library.catalogue()
    assert library.pull() == 0, "the cursor has not gone back"


def test_an_older_version_of_a_book_does_not_replace_the_newer_one(library: Library, books: list[Book]) -> None:
    """No admin that keeps to its own cursors sends one; one that is at fault may."""
    library.pull()
    with library.frontend.at_work() as store:
        state, row = SyncState.get(), Row.get(Row.id == books[3].id)
        older = Book(id=row.id, title="As it was", total_copies=9, state=BOOK_STATE_ACTIVE)
        page = ListCatalogChangesResponse(
            changes=[CatalogChange(revision=row.revision - 1, book=older)], next_cursor="a cursor that is newer"
        )
        assert apply_page(store, state, page)
        assert SyncState.get().cursor == page.next_cursor
    assert library.replica() == library.catalogue()


def test_a_resync_removes_nothing_before_its_last_page(library: Library, books: list[Book]) -> None:
    backup = library.admin.backup()
    later = library.add_book("A book that the backup does not know")
    library.pull()
    library.admin.restore(backup)
    library.start_admin()

    library.wire.faults.extend([Fault.NONE, Fault.NONE, Fault.NONE, Fault.REQUEST_LOST])
    with pytest.raises(WireError):
        library.pull()  # its cursor is refused, so it starts again and reads two of three pages
    with library.frontend.at_work():
        state = SyncState.get()
    assert state.resyncing
    assert state.generation == 2
    assert library.replica().keys() == {later.id, *(book.id for book in books)}

    library.start_frontend()
    library.pull()
    assert library.replica() == library.catalogue()
    assert later.id not in library.replica()
    with library.frontend.at_work():
        assert not SyncState.get().resyncing
