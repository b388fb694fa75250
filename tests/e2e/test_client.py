"""`library_client` with real servers: answers that are lost, a server that is killed, lists that change meanwhile."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest, RemoveBookRequest
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ListLoansRequest, RenewLoanRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest, GetUserRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library_client import Admin, Frontend, Options, errors
from tests.support.client_kinds import KINDS, Kind
from tests.support.lost_answers import losing_proxy
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases
from tests.support.waiting import wait_until

NUMBERS = itertools.count(1)
PATIENT = Options(timeout=100, attempts=1000)
"""For clients of a server that starts, on a slow machine."""

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)


@dataclass
class Library:
    """Both servers, and clients of them."""

    frontend_server: ServerProcess
    frontend: Frontend
    admin: Admin

    def add_books(self, *titles: str, copies: int = 1) -> list[Book]:
        """Add books; wait until the frontend has the last one, and so all of them."""
        books = [self.admin.catalog.AddBook(AddBookRequest(title=title, copies=copies)) for title in titles]
        wait_until(lambda: self.has(books[-1]))
        return books

    def has(self, book: Book) -> bool:
        """Whether the frontend has a book."""
        try:
            return bool(self.frontend.catalog.GetBook(GetBookRequest(id=book.id)))
        except errors.BookNotFound:
            return False

    def borrowing(self, copies: int = 5) -> BorrowBookRequest:
        """A request to borrow a book with some copies, by a user who has no loans."""
        number = next(NUMBERS)
        user = self.frontend.members.EnrollUser(EnrollUserRequest(email=f"{number}@example.org", last_name="Austen"))
        (book,) = self.add_books(f"Emma {number}", copies=copies)
        return BorrowBookRequest(book_id=book.id, user_id=user.id, days=14)

    def loans(self, user_id: str) -> list[Loan]:
        """All loans of a user."""
        return list(self.frontend.lending.ListLoans(ListLoansRequest(user_id=user_id)).loans)


@pytest.fixture(scope="module")
def library(module_servers: Servers, databases: FreshDatabases) -> Iterator[Library]:
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"))
    frontend = module_servers.start(
        "frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05"
    )
    with Frontend(frontend.address, **PATIENT) as patrons, Admin(admin.address, **PATIENT) as librarians:
        yield Library(frontend, patrons, librarians)


@every_kind
def test_a_loan_whose_answer_was_lost_is_made_once_and_returned(kind: Kind, library: Library) -> None:
    borrowing = library.borrowing()
    with losing_proxy(library.frontend_server.address) as proxy, ThreadPoolExecutor(1) as thread:
        proxy.lose_answers()
        borrowed = thread.submit(kind.call, proxy.address, "lending.BorrowBook", borrowing, **PATIENT)
        wait_until(lambda: bool(library.loans(borrowing.user_id)))
        proxy.cut()
        loan = borrowed.result()
        assert library.loans(borrowing.user_id) == [loan]
        proxy.lose_answers()
        renewal = RenewLoanRequest(loan_id=loan.id, days=7)
        renewed = thread.submit(kind.call, proxy.address, "lending.RenewLoan", renewal, **PATIENT)
        wait_until(lambda: library.loans(borrowing.user_id)[0].renewal_count == 1)
        proxy.cut()
        assert renewed.result().days == 21
        assert library.loans(borrowing.user_id) == [renewed.result()]


@every_kind
def test_the_error_after_a_lost_answer_has_the_id_to_ask_again_with(kind: Kind, library: Library) -> None:
    borrowing = library.borrowing()
    with losing_proxy(library.frontend_server.address) as proxy, ThreadPoolExecutor(1) as thread:
        proxy.lose_answers()
        borrowed = thread.submit(kind.call, proxy.address, "lending.BorrowBook", borrowing, attempts=1, timeout=100)
        wait_until(lambda: bool(library.loans(borrowing.user_id)))
        proxy.cut()
        error = borrowed.exception()
    assert isinstance(error, errors.LibraryError)
    assert error.is_outcome_unknown
    borrowing.request_id = error.request_id
    assert (
        kind.call(library.frontend_server.address, "lending.BorrowBook", borrowing)
        == library.loans(borrowing.user_id)[0]
    )


def test_a_call_goes_on_when_a_killed_server_is_back(library: Library) -> None:
    borrowings, target = [library.borrowing() for _ in KINDS], library.frontend_server.address
    library.frontend_server.kill()
    with ThreadPoolExecutor(len(KINDS)) as threads:
        borrowed = [
            threads.submit(kind.call, target, "lending.BorrowBook", borrowing, **PATIENT)
            for kind, borrowing in zip(KINDS, borrowings, strict=True)
        ]
        library.frontend_server.start()
    for borrowing, each in zip(borrowings, borrowed, strict=True):
        assert library.loans(borrowing.user_id) == [each.result()]


@every_kind
def test_refusals_of_the_servers_are_raised_by_their_reasons(kind: Kind, library: Library) -> None:
    borrowing, target = library.borrowing(copies=1), library.frontend_server.address
    loan = kind.call(target, "lending.BorrowBook", borrowing)
    with pytest.raises(errors.NoCopyAvailable) as refused:
        kind.call(target, "lending.BorrowBook", borrowing)
    due = loan.due_time.ToDatetime().replace(microsecond=0).isoformat()
    assert refused.value.metadata == {"book_id": borrowing.book_id, "next_available_time": f"{due}Z"}
    assert borrowing.book_id in str(refused.value)
    assert not refused.value.is_outcome_unknown
    assert any(refused.value.log_id in str(event) for event in library.frontend_server.log_events())
    with pytest.raises(errors.FieldInvalid) as invalid:
        kind.call(target, "lending.BorrowBook", BorrowBookRequest(book_id="7", user_id=borrowing.user_id, days=400))
    assert [violation.field for violation in invalid.value.violations] == ["book_id", "days"]
    with pytest.raises(errors.UserNotFound):
        kind.call(target, "members.GetUser", GetUserRequest(id=str(uuid.UUID(int=3))))


@every_kind
def test_pages_of_a_list_that_changes_have_what_stays_once(kind: Kind, library: Library) -> None:
    word = f"Ulysses{next(NUMBERS)}"
    books = library.add_books(*(f"{word} {letter}" for letter in "ABCDEFG"))
    removed = iter([books[1], books[4]])

    def change() -> None:
        library.add_books(f"{word} new")
        for book in itertools.islice(removed, 1):
            library.admin.catalog.RemoveBook(RemoveBookRequest(id=book.id))

    request = ListBooksRequest(query=word, page_size=2)
    listed = kind.items(library.frontend_server.address, "catalog.ListBooks", request, "books", change)
    titles = [book.title for book in listed if not book.title.endswith("new")]
    assert len(set(titles)) == len(titles)
    assert set(titles) >= {f"{word} {letter}" for letter in "ACDFG"}
    assert len(listed) > 4
    assert not request.page_token, "the caller's message stays as it is"


def test_many_threads_share_a_client(library: Library) -> None:
    borrowing = library.borrowing(copies=4)
    start = threading.Barrier(8)

    def borrow() -> str:
        start.wait()
        try:
            return library.frontend.lending.BorrowBook(borrowing).id
        except errors.NoCopyAvailable:
            return ""

    with ThreadPoolExecutor(8) as threads:
        ids = [each.result() for each in [threads.submit(borrow) for _ in range(8)]]
    assert ids.count("") == 4
    assert {loan.id for loan in library.loans(borrowing.user_id)} == set(ids) - {""}
