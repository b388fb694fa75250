"""What librarians and patrons do in the state machine of the sync, and what they were promised."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    rule,
)

import admin_server.store.models as admin_models
import frontend_server.store.models as frontend_models
from admin_server.books.catalog import add_book, remove_book, update_book
from admin_server.intake.imports import import_books
from frontend_server.circulation.checkin import return_book
from frontend_server.circulation.checkout import borrow_book
from frontend_server.circulation.renewal import renew_loan
from frontend_server.members.members import close_user, enroll_user, update_user
from library.admin.v1.catalog_service_pb2 import (
    AddBookRequest,
    ImportBooksRequest,
    RemoveBookRequest,
    UpdateBookRequest,
)
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, RenewLoanRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import CloseUserRequest, EnrollUserRequest, UpdateUserRequest
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import USER_STATE_CLOSED, User
from library_domain.errors import (
    BookOnLoan,
    BookRemoved,
    BookUnavailable,
    LoanLimitReached,
    LoanOverdue,
    LoanReturned,
    NoCopyAvailable,
    RenewalLimitReached,
    UserClosed,
    UserHasLoans,
)
from library_domain.loans import loan_message
from tests.sync.libraries import RULES, Library

WHICH = st.integers(0, 30)
"""An index into the existing rows, modulo their number."""


@dataclass
class Promised:
    """What the frontend has acknowledged to its patrons, as they remember it."""

    users: dict[str, User] = field(default_factory=dict)
    loans: dict[str, Loan] = field(default_factory=dict)
    requests: dict[str, tuple[BorrowBookRequest, str]] = field(default_factory=dict)

    def copy(self) -> Promised:
        return replace(self, users=dict(self.users), loans=dict(self.loans), requests=dict(self.requests))


class PeopleRules:
    """Rules of librarians and patrons, for a `RuleBasedStateMachine`."""

    library: Library
    promised: Promised
    made: int

    # --- librarians ---

    @initialize(copies=st.lists(st.integers(1, 2), min_size=1, max_size=3))
    def begin_with_books_and_a_user(self, copies: list[int]) -> None:
        for count in copies:
            self.add_book(count)
        self.enroll()

    @rule(copies=st.integers(1, 2))
    def add_book(self, copies: int) -> None:
        request = AddBookRequest(title=f"Book {self._number()}", authors=["Anne Author"], copies=copies)
        with self.library.admin.at_work() as store:
            add_book(store, request, self.library.clock)

    @rule(count=st.integers(1, 4))
    def import_books(self, count: int) -> None:
        rows = [
            ImportBooksRequest(line=line, book=AddBookRequest(title=f"Book {self._number()}", copies=1))
            for line in range(1, count + 1)
        ]
        with self.library.admin.at_work() as store:
            import_books(store, rows, self.library.clock)

    @rule(which=WHICH, copies=st.integers(0, 3) | st.none(), circulates=st.booleans())
    def update_book(self, which: int, copies: int | None, circulates: bool) -> None:
        book_id = self._pick(which, self.library.catalogue())
        if book_id is None:
            return
        book = Book(id=book_id, title=f"Book {self._number()}")
        book.state = BOOK_STATE_ACTIVE if circulates else BOOK_STATE_UNAVAILABLE
        paths = ["title", "state"]
        if copies:
            book.total_copies = copies
            paths.append("total_copies")
        with self.library.admin.at_work() as store:
            row = admin_models.Book.get(admin_models.Book.id == book_id)
            try:
                update_book(store, UpdateBookRequest(book=book, update_mask=FieldMask(paths=paths)), self.library.clock)
            except BookOnLoan:
                assert copies
                assert copies < min(row.on_loan, row.total_copies)

    @rule(which=WHICH, withdraw=st.booleans())
    def remove_book(self, which: int, withdraw: bool) -> None:
        book_id = self._pick(which, self.library.catalogue())
        if book_id is None:
            return
        with self.library.admin.at_work() as store:
            out = admin_models.Book.get(admin_models.Book.id == book_id).on_loan
            try:
                remove_book(store, RemoveBookRequest(id=book_id, withdraw=withdraw), self.library.clock)
            except BookOnLoan:
                assert out
                assert not withdraw
            else:
                assert withdraw or not out

    # --- patrons ---

    @rule(with_email=st.booleans(), with_card=st.booleans())
    def enroll(self, with_email: bool = True, with_card: bool = False) -> None:
        number = self._number()
        request = EnrollUserRequest(
            email=f"reader{number}@example.org" if with_email else "",
            first_name="Rita",
            last_name="Reader",
            card_number=f"card-{number}" if with_card else "",
            request_id=str(uuid.UUID(int=number)),
        )
        with self.library.frontend.at_work() as store:
            user = enroll_user(store, request, self.library.clock)
            assert enroll_user(store, request, self.library.clock) == user
        self._promise(user)

    @rule(which=WHICH, with_email=st.booleans())
    def update_user(self, which: int, with_email: bool) -> None:
        user_id = self._pick(which, self.promised.users)
        if user_id is None:
            return
        user = User(id=user_id, last_name=f"Reader {self._number()}")
        if with_email:
            user.email = f"reader{self._number()}@example.org"
        with self.library.frontend.at_work() as store:
            try:
                self._promise(update_user(store, UpdateUserRequest(user=user), self.library.clock))
            except UserClosed:
                assert self.promised.users[user_id].state == USER_STATE_CLOSED

    @rule(which=WHICH)
    def close_user(self, which: int) -> None:
        user_id = self._pick(which, self.promised.users)
        if user_id is None:
            return
        has_loans = any(loan.user_id == user_id and not loan.HasField("return_time") for loan in self._loans())
        with self.library.frontend.at_work() as store:
            try:
                self._promise(close_user(store, CloseUserRequest(id=user_id), self.library.clock))
            except UserHasLoans:
                assert has_loans
            else:
                assert not has_loans

    def _promise(self, user: User) -> None:
        """Remember a user as the frontend acknowledged it, without what it does not push."""
        pushed = User()
        pushed.CopyFrom(user)
        pushed.ClearField("etag")
        pushed.ClearField("active_loan_count")
        self.promised.users[user.id] = pushed

    @rule(which_book=WHICH, which_user=WHICH, days=st.integers(1, 20), twice=st.booleans())
    def borrow(self, which_book: int, which_user: int, days: int, twice: bool) -> None:
        with self.library.frontend.at_work() as store:
            book_id = self._pick(which_book, [row.id for row in frontend_models.Book.select()])
            user_id = self._pick(which_user, self.promised.users)
            if book_id is None or user_id is None:
                return
            before = frontend_models.Book.get(frontend_models.Book.id == book_id)
            free = before.state == BOOK_STATE_ACTIVE and before.free_copies > 0
            request_id = str(uuid.UUID(int=self._number()))
            request = BorrowBookRequest(book_id=book_id, user_id=user_id, days=days, request_id=request_id)
            try:
                loan = borrow_book(store, request, RULES, self.library.clock)
            except (NoCopyAvailable, BookRemoved, BookUnavailable):
                assert not free
                return
            except LoanLimitReached:
                assert sum(loan.user_id == user_id and not loan.HasField("return_time") for loan in self._loans()) == 6
                return
            except UserClosed:
                assert self.promised.users[user_id].state == USER_STATE_CLOSED
                return
            assert free, "a copy was lent that was not there"
            assert self.promised.users[user_id].state != USER_STATE_CLOSED
            if twice:
                assert borrow_book(store, request, RULES, self.library.clock) == loan
        self.promised.loans[loan.id] = loan

    @rule(which=WHICH)
    def return_book(self, which: int) -> None:
        loan_id = self._pick(which, self.promised.loans)
        if loan_id is None:
            return
        with self.library.frontend.at_work() as store:
            try:
                self.promised.loans[loan_id] = return_book(
                    store, ReturnBookRequest(loan_id=loan_id), RULES, self.library.clock
                )
            except LoanReturned:
                assert self.promised.loans[loan_id].HasField("return_time")

    @rule(which=WHICH, days=st.integers(1, 5))
    def renew(self, which: int, days: int) -> None:
        loan_id = self._pick(which, self.promised.loans)
        if loan_id is None:
            return
        with self.library.frontend.at_work() as store:
            request = RenewLoanRequest(loan_id=loan_id, days=days)
            with contextlib.suppress(LoanReturned, LoanOverdue, RenewalLimitReached):
                self.promised.loans[loan_id] = renew_loan(store, request, RULES, self.library.clock)

    def _number(self) -> int:
        self.made += 1
        return self.made

    def _loans(self) -> list[Loan]:
        with self.library.frontend.at_work():
            return [loan_message(row, self.library.clock()) for row in frontend_models.Loan.select()]

    def _pick(self, which: int, ids: Any) -> str | None:
        names = sorted(ids)
        return names[which % len(names)] if names else None
