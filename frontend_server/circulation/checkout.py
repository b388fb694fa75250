"""Lending: who gets a copy, for how long, and what happens when it comes back.

The database decides, not this program: a conditional update takes the copy, or changes no row, and that is the answer.
All that one call changes is one transaction; the loan it writes is also what the push will tell the admin.
Rows are locked in the order that `LOCK_ORDER` states, so that no two transactions wait for each other.
"""

from __future__ import annotations

import peewee

from frontend_server.circulation.eligibility import refusal_by_state
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import CAN_BE_BORROWED, Book, Loan, User
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.v1 import loan_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.errors import (
    BookNotFound,
    BookRemoved,
    BookUnavailable,
    LoanLimitReached,
    NoCopyAvailable,
    UserNotFound,
)
from library_domain.loans import loan_message
from service_kit.clock import DAY, Clock, is_time, rfc3339
from service_kit.errors import ServiceError
from service_kit.idempotency import once
from service_kit.ids import new_id
from service_kit.revisions import take_revisions
from service_kit.statements import Statement, slot
from service_kit.store import Store
from service_kit.unreadable import readable

TAKE_COPY = Statement(
    Book.update(on_loan=Book.on_loan + 1).where(Book.id == slot("book_id"), CAN_BE_BORROWED).returning(Book.title)
)
TAKE_PLACE = Statement(
    User.update(active_loan_count=User.active_loan_count + 1)
    .where(User.id == slot("user_id"), User.state == USER_STATE_ACTIVE, User.active_loan_count < slot("loan_limit"))
    .returning(User.key)
)
# It changes nothing, but locks the row: what it returns is still so when the transaction ends.
LOCK_USER = Statement(
    User.update(active_loan_count=User.active_loan_count)
    .where(User.id == slot("user_id"))
    .returning(User.state, User.active_loan_count)
)
BOOK_STATE = Statement(Book.select(Book.state).where(Book.id == slot("book_id")))
EXPECTED_BACK = Statement(
    Loan.select(peewee.fn.MIN(Loan.due_time)).where(Loan.book_id == slot("book_id"), Loan.return_time.is_null())
)
LEND = Statement(
    Loan.insert(
        id=slot("id"),
        book_id=slot("book_id"),
        user_id=slot("user_id"),
        book_title=slot("book_title"),
        days=slot("days"),
        borrow_time=slot("borrow_time"),
        due_time=slot("due_time"),
        revision=slot("revision"),
    )
)


def borrow_book(store: Store, request: BorrowBookRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Lend a copy."""
    with readable("book", request.book_id):
        return once(store, request, loan_pb2.Loan, lambda: _lend(request, rules, clock), clock)


def _lend(request: BorrowBookRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    copy = TAKE_COPY.row(book_id=request.book_id)
    if copy is None:
        raise _why_no_copy(request.book_id, clock())
    if TAKE_PLACE.row(user_id=request.user_id, loan_limit=rules.loan_limit) is None:
        with readable("user", request.user_id):
            _take_place_or_say_why_not(request.user_id, rules)
    # Not before the copy is taken: while this waited for it, it was another's, and the loans would say it was both's.
    now = clock()
    values = {
        "id": new_id(),
        "book_id": request.book_id,
        "user_id": request.user_id,
        "book_title": copy[0],
        "days": request.days,
        "borrow_time": now,
        "due_time": now + request.days * DAY,
    }
    LEND.rows(revision=take_revisions(), **values)
    return loan_message(Loan(**values), now)


def _why_no_copy(book_id: str, now: int) -> ServiceError:
    # Rendered once like the rest: of those who race for the last copy, all but one come here.
    book = BOOK_STATE.row(book_id=book_id)
    if book is None:
        return BookNotFound(book_id=book_id)
    if book[0] == BOOK_STATE_REMOVED:
        return BookRemoved(book_id=book_id)
    if book[0] == BOOK_STATE_UNAVAILABLE:
        return BookUnavailable(book_id=book_id)
    [[expected]] = EXPECTED_BACK.rows(book_id=book_id)
    return NoCopyAvailable(book_id=book_id, next_available_time=rfc3339(expected if is_time(expected) else now))


def _take_place_or_say_why_not(user_id: str, rules: LendingRules) -> None:
    """Find out why a user cannot have one more loan, after `TAKE_PLACE` changed nothing, and raise it.

    On PostgreSQL the user may have returned a book since then. With the row locked the second try is certain.
    """
    user = LOCK_USER.row(user_id=user_id)
    if user is None:
        raise UserNotFound(user_id=user_id)
    state, active_loan_count = user
    refusal = refusal_by_state(user_id, state)
    if refusal is not None:
        raise refusal
    if active_loan_count >= rules.loan_limit:
        raise LoanLimitReached(user_id=user_id, loan_limit=rules.loan_limit)
    TAKE_PLACE.rows(user_id=user_id, loan_limit=rules.loan_limit)
