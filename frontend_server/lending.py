"""Lending: who gets a copy, for how long, and what happens when it comes back.

The database decides, not this program: a conditional update takes the copy, or changes no row, and that is the answer.
All that one call changes is one transaction; the loan it writes is also what the push will tell the admin.
Rows are locked in the order that `LOCK_ORDER` states, so that no two transactions wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import peewee

from frontend_server.fines import DailyFine, fine_nanos
from frontend_server.store.models import CAN_BE_BORROWED, Book, Loan, User
from library.frontend.v1.lending_service_pb2 import (
    BorrowBookRequest,
    ListLoansRequest,
    RenewLoanRequest,
    ReturnBookRequest,
)
from library.v1 import loan_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from library_domain.errors import (
    BookNotFound,
    BookRemoved,
    BookUnavailable,
    LoanLimitReached,
    LoanNotFound,
    LoanOverdue,
    LoanReturned,
    NoCopyAvailable,
    RenewalLimitReached,
    UserClosed,
    UserNotActive,
    UserNotFound,
)
from library_domain.loans import loan_conditions, loan_message
from service_kit.clock import DAY, Clock, is_time, rfc3339
from service_kit.errors import ServiceError
from service_kit.idempotency import once
from service_kit.ids import new_id
from service_kit.paging import page
from service_kit.revisions import take_revisions
from service_kit.row_lists import list_rows
from service_kit.statements import Statement, slot
from service_kit.store import Store
from service_kit.unreadable import readable

RENEWAL_LIMIT = 3
DAY_LIMIT = 365
"""A loan lasts at most so many days, renewals included; the contract says so, too."""


@dataclass(frozen=True)
class LendingRules:
    """What this library has decided."""

    loan_limit: int
    """How many loans a user may have out at a time."""
    daily_fine: DailyFine


TAKE_COPY = Statement(
    Book.update(on_loan=Book.on_loan + 1).where(Book.id == slot("book_id"), CAN_BE_BORROWED).returning(Book.title)
)
TAKE_PLACE = Statement(
    User.update(active_loan_count=User.active_loan_count + 1)
    .where(User.id == slot("user_id"), User.state == USER_STATE_ACTIVE, User.active_loan_count < slot("loan_limit"))
    .returning(User.key)
)
GIVE_COPY = Statement(Book.update(on_loan=Book.on_loan - 1).where(Book.id == slot("book_id"), Book.on_loan > 0))
GIVE_PLACE = Statement(
    User.update(active_loan_count=User.active_loan_count - 1)
    .where(User.id == slot("user_id"), User.active_loan_count > 0)
)  # fmt: skip
# It changes nothing, but locks the row: what it returns is still so when the transaction ends.
LOCK_USER = Statement(
    User.update(active_loan_count=User.active_loan_count)
    .where(User.id == slot("user_id"))
    .returning(User.state, User.active_loan_count)
)
USER_STATE = Statement(User.select(User.state).where(User.id == slot("user_id")))
IS_OF_ACTIVE_USER = peewee.fn.EXISTS(
    User.select(peewee.SQL("1")).where(User.id == Loan.user_id, User.state == USER_STATE_ACTIVE)
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


def return_book(store: Store, request: ReturnBookRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Take a copy back, once."""
    with readable("loan", request.loan_id):
        return once(store, request, loan_pb2.Loan, lambda: _take_back(request.loan_id, rules, clock()), clock)


def renew_loan(store: Store, request: RenewLoanRequest, clock: Clock) -> loan_pb2.Loan:
    """Extend a loan that is not due yet, within the limits."""
    with readable("loan", request.loan_id):
        return once(store, request, loan_pb2.Loan, lambda: _renew(request, clock()), clock)


def get_loan(store: Store, loan_id: str, clock: Clock) -> loan_pb2.Loan:
    """Get a loan."""
    with store.reading(), readable("loan", loan_id):
        return loan_message(_loan(loan_id), clock())


def list_loans(store: Store, request: ListLoansRequest, clock: Clock) -> tuple[list[loan_pb2.Loan], str]:
    """Return a page of loans, oldest first or in the order of their ids, and the token of the next page."""
    now = clock()
    with store.reading():
        rows = list_rows(Loan, request, loan_conditions(Loan, request, now), request.id_prefix)
    return page(request, rows, lambda row: loan_message(row, now), lambda row: row.key)


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


def _take_back(loan_id: str, rules: LendingRules, now: int) -> loan_pb2.Loan:
    loan = _loan(loan_id)
    fine = fine_nanos(rules.daily_fine, loan.due_time, now)
    came_back = Loan.update(
        return_time=now, fine_nanos=fine, fine_currency=rules.daily_fine.currency if fine else ""
    ).where(Loan.id == loan_id, Loan.return_time.is_null())
    if not came_back.execute():
        raise LoanReturned(loan_id=loan_id, return_time=rfc3339(_loan(loan_id).return_time or now))
    GIVE_COPY.rows(book_id=loan.book_id)
    GIVE_PLACE.rows(user_id=loan.user_id)
    return loan_message(_changed(loan_id), now)


def _renew(request: RenewLoanRequest, now: int) -> loan_pb2.Loan:
    renewed = Loan.update(
        days=Loan.days + request.days,
        due_time=Loan.due_time + request.days * DAY,
        renewal_count=Loan.renewal_count + 1,
    ).where(
        Loan.id == request.loan_id,
        Loan.return_time.is_null(),
        Loan.due_time >= now,
        Loan.renewal_count < RENEWAL_LIMIT,
        Loan.days + request.days <= DAY_LIMIT,
        IS_OF_ACTIVE_USER,
    )
    if not renewed.execute():
        raise _why_not_renewed(_loan(request.loan_id), request.days, now)
    return loan_message(_changed(request.loan_id), now)


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


def refusal_by_state(user_id: str, state: int) -> ServiceError | None:
    """Return why a user in this state may not borrow or renew; None for one who may."""
    if state == USER_STATE_ACTIVE:
        return None
    if state == USER_STATE_CLOSED:
        return UserClosed(user_id=user_id)
    return UserNotActive(user_id=user_id, state=state)


def _why_not_renewed(loan: Loan, days: int, now: int) -> ServiceError:
    if loan.return_time is not None:
        return LoanReturned(loan_id=loan.id, return_time=rfc3339(loan.return_time))
    if loan.due_time < now:
        return LoanOverdue(loan_id=loan.id, due_time=rfc3339(loan.due_time))
    if loan.renewal_count < RENEWAL_LIMIT and loan.days + days <= DAY_LIMIT:
        user = USER_STATE.row(user_id=loan.user_id)
        refusal = refusal_by_state(loan.user_id, user[0]) if user else UserNotFound(user_id=loan.user_id)
        if refusal is not None:
            return refusal
    return RenewalLimitReached(loan_id=loan.id, renewal_limit=RENEWAL_LIMIT, day_limit=DAY_LIMIT)


def _loan(loan_id: str) -> Loan:
    loan: Loan | None = Loan.get_or_none(Loan.id == loan_id)
    if loan is None:
        raise LoanNotFound(loan_id=loan_id)
    return loan


def _changed(loan_id: str) -> Loan:
    """Make a loan that this transaction changed due for pushing, and give it."""
    Loan.update(revision=take_revisions(), park_reason="").where(Loan.id == loan_id).execute()
    return _loan(loan_id)
