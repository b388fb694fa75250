"""Everything delivered five times over, shuffled, ends in the same stores as once."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from admin_server.books.catalog import remove_book, update_book
from frontend_server.circulation.checkin import return_book
from frontend_server.circulation.checkout import borrow_book
from frontend_server.circulation.renewal import renew_loan
from frontend_server.members.members import enroll_user
from frontend_server.store.models import SyncState
from frontend_server.sync.apply_page import apply_page
from library.admin.v1.catalog_service_pb2 import RemoveBookRequest, UpdateBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, RenewLoanRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.sync.v1.sync_service_pb2 import (
    ListCatalogChangesRequest,
    ListCatalogChangesResponse,
    RecordStatesRequest,
)
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import RULES, Contents, Library

TIMES = 5


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    yield library
    library.close()


def test_changes_delivered_five_times_over_and_shuffled_end_as_once(library: Library, chance: random.Random) -> None:
    books = [library.add_book(f"Book {number}") for number in range(12)]
    pages = [_page(library)]
    for book in books[:6]:
        _retitle(library, book)
        pages.append(_page(library, size=2))
        library.pull()  # keeps the first delivery, and moves the cursor for the next page
    for book in books[3:9]:
        with library.admin.at_work() as store:
            remove_book(store, RemoveBookRequest(id=book.id, withdraw=True), library.clock)
        pages.append(_page(library))
    library.pull()
    pages.append(_page(library))
    once = library.frontend.contents()

    again = pages * TIMES
    chance.shuffle(again)
    with library.frontend.at_work() as store:
        for state, page in again:
            apply_page(store, state, page)

    assert library.frontend.contents() == once
    assert library.replica() == library.catalogue()


def test_users_and_loans_delivered_five_times_over_and_shuffled_end_as_once(
    library: Library, chance: random.Random
) -> None:
    sent = _life(library)
    once = _without_counting(library.admin.contents())

    again = sent * TIMES
    chance.shuffle(again)
    for request in again:
        _deliver(library, request)

    assert _without_counting(library.admin.contents()) == once
    library.sync()
    assert _without_counting(library.admin.contents()) == once


def test_users_and_loans_may_come_in_any_order_from_the_first_time_on(library: Library, chance: random.Random) -> None:
    fresh = library.admin.contents()
    sent = _life(library)
    once = _without_counting(library.admin.contents())
    books = {name: rows for name, rows in library.admin.contents().items() if name == "book"}
    library.admin.put_back({**fresh, "book": [(*row,) for row in books["book"]]})

    again = sent * TIMES
    chance.shuffle(again)
    for request in again:
        request.ClearField("receipt")  # as if nothing had been sent to this admin yet
        _deliver(library, request)

    as_they_came = _without_counting(library.admin.contents())
    for table in ("user_account", "loan"):  # the keys show the order in which they came; no other column may
        assert sorted(row[1:] for row in as_they_came[table]) == sorted(row[1:] for row in once[table])
    assert as_they_came["book"] == once["book"]


def _life(library: Library) -> list[Message]:
    """Enrol, borrow, renew and return, with a push after each step; return all requests that were sent."""
    books = [library.add_book(f"Book {number}", copies=2) for number in range(4)]
    library.sync()
    library.wire.sent.clear()
    users: list[User] = []
    loans: list[Loan] = []
    with library.frontend.at_work() as store:
        for number in range(4):
            request = EnrollUserRequest(email=f"r{number}@example.org", first_name="R", last_name=f"Reader {number}")
            users.append(enroll_user(store, request, library.clock))
        library.push()
        for number, user in enumerate(users):
            for book in books[: 1 + number % 3]:
                borrow = BorrowBookRequest(book_id=book.id, user_id=user.id, days=7, request_id=str(uuid.uuid4()))
                if len([loan for loan in loans if loan.book_id == book.id]) < 2:
                    loans.append(borrow_book(store, borrow, RULES, library.clock))
                    library.push()
        for loan in loans[::2]:
            library.clock.advance(days=1)
            renew_loan(store, RenewLoanRequest(loan_id=loan.id, days=3), RULES, library.clock)
            library.push()
        for loan in loans[1:]:
            library.clock.advance(days=4)
            return_book(store, ReturnBookRequest(loan_id=loan.id), RULES, library.clock)
            library.push()
    sent = [request for request in library.wire.sent if not isinstance(request, ListCatalogChangesRequest)]
    assert len(sent) > len(loans) * 2
    return sent


def _deliver(library: Library, request: Message) -> None:
    assert isinstance(request, RecordStatesRequest)
    library.record(request)


def _without_counting(contents: Contents) -> Contents:
    """The rows without the counter: receipts take revisions from it, and they are not part of the state."""
    return {name: rows for name, rows in contents.items() if name != "counter"}


def _page(library: Library, size: int = 0) -> tuple[SyncState, ListCatalogChangesResponse]:
    """What the frontend would fetch now, with the state that it would fetch it in."""
    with library.frontend.at_work():
        state = SyncState.get()
    return state, library.fetch(ListCatalogChangesRequest(cursor=state.cursor, page_size=size, receipt=state.receipt))


def _retitle(library: Library, book: Book) -> None:
    changed = Book(id=book.id, title=f"{book.title}, revised")
    with library.admin.at_work() as store:
        update_book(store, UpdateBookRequest(book=changed, update_mask=FieldMask(paths=["title"])), library.clock)
