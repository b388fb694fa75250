"""A book that leaves the catalogue: no more lent after its sync; what was lent before is recorded and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from admin_server.books.catalog import add_book, remove_book
from admin_server.books.listing import get_book, list_unavailable_books
from admin_server.reports.users import list_borrowers
from frontend_server.browse import catalog
from frontend_server.circulation.checkin import return_book
from frontend_server.circulation.loans import get_loan
from frontend_server.circulation.renewal import renew_loan
from frontend_server.members.members import enroll_user
from library.admin.v1.catalog_service_pb2 import AddBookRequest, RemoveBookRequest
from library.admin.v1.loan_service_pb2 import ListUnavailableBooksRequest
from library.admin.v1.user_service_pb2 import ListBorrowersRequest
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.lending_service_pb2 import RenewLoanRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_domain.errors import BookOnLoan, BookRemoved
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import RULES, Library


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    yield library
    library.close()


@pytest.fixture
def book(library: Library) -> Book:
    with library.admin.at_work() as store:
        return add_book(store, AddBookRequest(title="A book", copies=2), library.clock)


@pytest.fixture
def user(library: Library, book: Book) -> User:
    library.sync()
    request = EnrollUserRequest(email="rita@example.org", first_name="Rita", last_name="Reader")
    with library.frontend.at_work() as store:
        return enroll_user(store, request, library.clock)


def test_a_removed_book_is_not_lent_after_its_sync(library: Library, book: Book, user: User) -> None:
    _remove(library, book)
    loan = library.lend(book, user.id)  # the frontend has not heard of it: the loan happened
    library.pull()

    with pytest.raises(BookRemoved):
        library.lend(book, user.id)
    assert book.id not in library.replica()
    with library.frontend.at_work() as store:
        assert catalog.get_book(store, book.id).state == BOOK_STATE_REMOVED
        assert not catalog.list_books(store, ListBooksRequest(include_unavailable=True)).books

    library.push()
    assert _borrowed(library) == {user.id: [loan]}, "it is recorded all the same"
    with library.frontend.at_work() as store:
        renew_loan(store, RenewLoanRequest(loan_id=loan.id, days=2), RULES, library.clock)
        returned = return_book(store, ReturnBookRequest(loan_id=loan.id), RULES, library.clock)
        assert get_loan(store, loan.id, RULES, library.clock) == returned
    library.sync()
    assert _borrowed(library) == {}


def test_a_book_that_is_out_leaves_only_when_it_is_withdrawn(library: Library, book: Book, user: User) -> None:
    loan = library.lend(book, user.id)
    library.push()
    with pytest.raises(BookOnLoan):
        _remove(library, book)
    library.sync()
    assert book.id in library.replica(), "a refusal changes nothing"

    _remove(library, book, withdraw=True)
    library.sync()

    with pytest.raises(BookRemoved):
        library.lend(book, user.id)
    assert _borrowed(library) == {user.id: [loan]}, "its open loans run on"
    with library.frontend.at_work() as store:
        return_book(store, ReturnBookRequest(loan_id=loan.id), RULES, library.clock)
    library.sync()
    assert _borrowed(library) == {}
    with library.admin.at_work() as store:
        assert get_book(store, book.id).state == BOOK_STATE_REMOVED
        assert list_unavailable_books(store, ListUnavailableBooksRequest()) == ([], "")
    with pytest.raises(BookRemoved):
        library.lend(book, user.id)


def _remove(library: Library, book: Book, *, withdraw: bool = False) -> None:
    with library.admin.at_work() as store:
        remove_book(store, RemoveBookRequest(id=book.id, withdraw=withdraw), library.clock)


def _borrowed(library: Library) -> dict[str, list[Loan]]:
    """What each user has out, as the admin knows."""
    with library.admin.at_work() as store:
        borrowers, _ = list_borrowers(store, ListBorrowersRequest(), library.clock)
    return {borrower.user.id: list(borrower.loans) for borrower in borrowers}
