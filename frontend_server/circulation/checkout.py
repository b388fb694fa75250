"""Checking out: a user gets a copy of a book.

The database decides, not this program: one conditional update reserves a copy, another one counts the loan. If one of
them changes no row, the call is refused. Only then are the facts read, from which pure rules find all reasons. All that
a call changes is one transaction. Rows are locked in the order of `LOCK_ORDER`, so that no two transactions deadlock.
"""

from __future__ import annotations

from frontend_server.circulation.borrowers import INCREMENT_LOAN_COUNT, borrower_facts, locked_borrower_facts
from frontend_server.circulation.copies import RESERVE_COPY, facts_of_refused_book
from frontend_server.circulation.due_times import due_time
from frontend_server.circulation.eligibility import (
    CheckoutFacts,
    Refusal,
    book_refusals,
    borrower_refusals,
    eligibility,
)
from frontend_server.circulation.rules import LendingRules
from frontend_server.refusals import raise_if_refused, refused
from frontend_server.store.models import Loan
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.v1 import loan_pb2
from library_domain.loans import loan_message
from service_kit.clock import Clock
from service_kit.errors import RowUnreadable
from service_kit.idempotency import once
from service_kit.ids import new_id
from service_kit.revisions import take_revisions
from service_kit.statements import Statement, param
from service_kit.store import Store
from service_kit.unreadable import readable

INSERT_LOAN = Statement(
    Loan.insert(
        id=param("id"),
        book_id=param("book_id"),
        user_id=param("user_id"),
        book_title=param("book_title"),
        days=param("days"),
        borrow_time=param("borrow_time"),
        due_time=param("due_time"),
        revision=param("revision"),
    )
)


def borrow_book(store: Store, request: BorrowBookRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Lend a copy of a book. Raises the first refusal that applies, with all others: see `frontend_server.refusals`."""
    with readable("book", request.book_id):
        return once(store, request, loan_pb2.Loan, lambda: _check_out(request, rules, clock), clock)


def _check_out(request: BorrowBookRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    reserved = RESERVE_COPY.row(book_id=request.book_id)
    if reserved is None:
        raise refused(_refusals(request, rules, clock()))
    if INCREMENT_LOAN_COUNT.row(user_id=request.user_id, loan_limit=rules.loan_limit) is None:
        _count_loan_of_locked_user(request.user_id, rules)
    # Read the clock after the copy is reserved. Read before the lock was granted, the borrow time of this loan could be
    # earlier than the return time of the loan for which the copy was out.
    now = clock()
    values = {
        "id": new_id(),
        "book_id": request.book_id,
        "user_id": request.user_id,
        "book_title": reserved[0],
        "days": request.days,
        "borrow_time": now,
        "due_time": due_time(now, request.days),
    }
    INSERT_LOAN.rows(revision=take_revisions(), **values)
    return loan_message(Loan(**values), now)


def _refusals(request: BorrowBookRequest, rules: LendingRules, now: int) -> list[Refusal]:
    """Return all reasons for a refusal, at least one, after no copy could be reserved."""
    book = facts_of_refused_book(request.book_id, now)
    try:
        with readable("user", request.user_id):
            borrower = borrower_facts(request.user_id)
            return eligibility(CheckoutFacts(request.book_id, book, request.user_id, borrower), rules)
    except RowUnreadable as unreadable:
        return [*book_refusals(request.book_id, book), unreadable]


def _count_loan_of_locked_user(user_id: str, rules: LendingRules) -> None:
    """Count the loan after `INCREMENT_LOAN_COUNT` changed nothing, or raise why it cannot be counted.

    On PostgreSQL the user may have returned a book since then. With the row locked, the second attempt is certain.
    """
    with readable("user", user_id):
        raise_if_refused(borrower_refusals(user_id, locked_borrower_facts(user_id), rules))
        INCREMENT_LOAN_COUNT.rows(user_id=user_id, loan_limit=rules.loan_limit)
