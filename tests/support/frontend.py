"""A frontend's store for tests: books come into it as the sync brings them, people enrol and borrow as they do."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from frontend_server.circulation import checkin, checkout, loans, renewal
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.members import members
from frontend_server.store.models import FREE_COPIES, MODELS, Book, Item, Loan, SyncState, User, ensure_frontend_id
from frontend_server.sync.apply_page import apply_page
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, RenewLoanRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import (
    CloseUserRequest,
    EnrollUserRequest,
    ListUsersRequest,
    UpdateUserRequest,
)
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesResponse
from library.v1 import book_pb2, item_pb2, loan_pb2, user_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from library.v1.item_pb2 import ITEM_PLACE_ON_LOAN, ITEM_STATE_IN_SERVICE
from service_kit.clock import Clock
from service_kit.errors import ServiceError
from service_kit.ids import new_id
from service_kit.statements import tuples
from service_kit.store import Store

RULES = LendingRules(loan_limit=100, daily_fine=DailyFine.parse("0.20 EUR"))

KINDS = {type(getattr(CatalogChange(), field.name)): field.name for field in CatalogChange.DESCRIPTOR.oneofs[0].fields}
"""The field of CatalogChange for each type of messages."""

Result = TypeVar("Result")


class LocalFrontend:
    """A frontend in this process: its store, its clock and its rules, without a server."""

    def __init__(self, store: Store, clock: Clock, rules: LendingRules = RULES) -> None:
        self.store, self.clock, self.rules = store, clock, rules
        self._revisions = itertools.count(1)
        self._people = itertools.count(1)
        self._barcodes = itertools.count(1)
        ensure_frontend_id(store)

    def receive(self, *rows: Message, has_more: bool = False) -> None:
        """Take these rows of the catalogue, new or changed, from the admin: a page."""
        fields: list[dict[str, Any]] = [{KINDS[type(row)]: row} for row in rows]
        changes = [CatalogChange(revision=next(self._revisions), **field) for field in fields]
        page = ListCatalogChangesResponse(
            changes=changes, next_cursor=f"after {changes[-1].revision if changes else 0}", has_more=has_more
        )
        assert apply_page(self.store, SyncState.get(), page)

    def book(self, title: str = "Emma", *, copies: int = 1, items: int = 0, **fields: Any) -> book_pb2.Book:
        """Receive a new book, with `items` items if the admin knows them."""
        book = new_book(title, copies=items or copies, **fields)
        self.receive(book, *(self.new_item(book.id) for _ in range(items)))
        return book

    def item(self, book_id: str, **fields: Any) -> item_pb2.Item:
        """Receive a new item of a book."""
        item = self.new_item(book_id, **fields)
        self.receive(item)
        return item

    def new_item(self, book_id: str, **fields: Any) -> item_pb2.Item:
        """Make an item as the admin sends it."""
        values = {"barcode": f"B{next(self._barcodes):04}", "branch": "main", "state": ITEM_STATE_IN_SERVICE, **fields}
        return item_pb2.Item(id=new_id(), book_id=book_id, **values)

    def user(self) -> user_pb2.User:
        """Enrol somebody."""
        email = f"patron{next(self._people)}@example.org"
        return self.enroll(EnrollUserRequest(email=email, first_name="Ada", last_name="Lovelace"))

    def enroll(self, request: EnrollUserRequest) -> user_pb2.User:
        """Enrol a user by this request."""
        return members.enroll_user(self.store, request, self.clock)

    def set_state(self, user_id: str, state: int) -> None:
        """Put a user into a state by hand, also into one that no call leads to."""
        with self.store.writing():
            assert User.update(state=state).where(User.id == user_id).execute()

    def users(self, query: str = "", page_size: int = 0, **fields: Any) -> list[user_pb2.User]:
        """List all users, or those that a query finds, page after page."""
        request = ListUsersRequest(query=query, page_size=page_size, **fields)
        found: list[user_pb2.User] = []
        while True:
            page, request.page_token = members.list_users(self.store, request)
            found += page
            if not request.page_token:
                return found

    def change(self, user_id: str, *paths: str, **fields: Any) -> user_pb2.User:
        """Update a user by a mask of these paths."""
        request = UpdateUserRequest(user=user_pb2.User(id=user_id, **fields), update_mask=FieldMask(paths=paths))
        return members.update_user(self.store, request, self.clock)

    def close(self, user_id: str, etag: str = "") -> user_pb2.User:
        """Close a user's account."""
        return members.close_user(self.store, CloseUserRequest(id=user_id, etag=etag), self.clock)

    def borrow(self, book_id: str, user_id: str, days: int = 14, request_id: str = "") -> loan_pb2.Loan:
        """Borrow a book."""
        request = BorrowBookRequest(book_id=book_id, user_id=user_id, days=days, request_id=request_id)
        return checkout.borrow_book(self.store, request, self.rules, self.clock)

    def bring_back(self, loan_id: str, request_id: str = "") -> loan_pb2.Loan:
        """Return a book."""
        request = ReturnBookRequest(loan_id=loan_id, request_id=request_id)
        return checkin.return_book(self.store, request, self.rules, self.clock)

    def renew(self, loan_id: str, days: int, request_id: str = "") -> loan_pb2.Loan:
        """Renew a loan."""
        request = RenewLoanRequest(loan_id=loan_id, days=days, request_id=request_id)
        return renewal.renew_loan(self.store, request, self.rules, self.clock)

    def loan(self, loan_id: str) -> loan_pb2.Loan:
        """Get a loan."""
        return loans.get_loan(self.store, loan_id, self.rules, self.clock)

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that is in the store: the rows of each table."""
        with self.store.reading():
            return {
                model._meta.table_name: tuples(model.select().order_by(model._meta.primary_key)) for model in MODELS
            }

    def mark_all_pushed(self) -> None:
        """Make the store as after a push: the admin knows every row."""
        with self.store.writing():
            for model in (User, Loan):
                model.update(pushed_revision=model.revision).execute()

    def check(self, *, are_copies_kept: bool = True) -> None:
        """Check what must always be true of the store, after any calls, also at the same time.

        Without `are_copies_kept`, the admin may have lowered the number of copies while they were out.
        """
        with self.store.snapshot():
            books, users, loans = list(Book.select()), list(User.select()), list(Loan.select())
            wrong = list(Book.select().where(Book.free_copies != FREE_COPIES))
            items_out = [item.id for item in Item.select().where(Item.place == ITEM_PLACE_ON_LOAN)]
        assert not wrong, f"free copies of {[book.id for book in wrong]}"
        out = [loan for loan in loans if loan.return_time is None]
        assert sorted(items_out) == sorted(loan.item_id for loan in out if loan.item_id), "items on loan"
        for book in books:
            assert book.on_loan == sum(loan.book_id == book.id for loan in out), f"copies out of {book.id}"
            assert book.on_loan <= book.total_copies or not are_copies_kept, f"copies of {book.id}"
        for user in users:
            assert user.active_loan_count == sum(loan.user_id == user.id for loan in out), f"loans of {user.id}"
            assert 0 <= user.active_loan_count <= self.rules.loan_limit, f"loans of {user.id}"
        # Loans that were anonymised by one call share a revision.
        revisions = [row.revision for row in (*users, *loans) if not (isinstance(row, Loan) and row.user_id == "")]
        assert len(set(revisions)) == len(revisions), "a revision was used twice"


def new_book(title: str = "Emma", *, copies: int = 1, **fields: Any) -> book_pb2.Book:
    """A book as the admin sends it."""
    return book_pb2.Book(
        **{"id": new_id(), "title": title, "total_copies": copies, "state": BOOK_STATE_ACTIVE, **fields}
    )


def at_once(store: Store, calls: Sequence[Callable[[], Result]]) -> list[Result | Exception]:
    """Make these calls at the same moment, each in a thread with its own connection; what each returned or raised."""
    start = threading.Barrier(len(calls))
    outcomes: list[Result | Exception | None] = [None] * len(calls)

    def run(number: int) -> None:
        store.database.connect(reuse_if_open=True)
        try:
            start.wait()
            outcomes[number] = calls[number]()
        except Exception as error:  # noqa: BLE001 - the test is to see any error
            outcomes[number] = error
        finally:
            store.database.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcome for outcome in outcomes if outcome is not None]


def refused(
    frontend: LocalFrontend, reason: type[ServiceError], call: Callable[..., object], *args: object
) -> dict[str, str]:
    """Make a call that is to be refused for this reason and to change nothing; return the error's metadata."""
    before = frontend.contents()
    with pytest.raises(reason) as error:
        call(*args)
    assert frontend.contents() == before
    return dict(error.value.metadata)
