"""Cancelling a slip at the desk: a check-out as if it had not been, or a check-in, so that the loan is open again."""

from __future__ import annotations

from frontend_server.circulation import copies
from frontend_server.circulation.borrowers import ADD_LOAN, DECREMENT_LOAN_COUNT, borrower_facts, lock_users
from frontend_server.circulation.current_policy import current_policy
from frontend_server.circulation.loan_fines import shown_loan
from frontend_server.circulation.loans import Changes, done_once, is_open_loan_of_item, locked_loan
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Loan
from library.frontend.v1.circulation_service_pb2 import CancelCheckInRequest, CancelCheckOutRequest
from library.v1 import loan_pb2
from library.v1.history_pb2 import HISTORY_EVENT_CHECK_IN_CANCELLED, HISTORY_EVENT_CHECK_OUT_CANCELLED
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.errors import CannotCancel, LoanNotFound
from service_kit.clock import SECOND, Clock, rfc3339
from service_kit.store import Store
from service_kit.unreadable import readable

CANCEL_SECONDS = 30 * 60
"""For how long a slip can be cancelled. The contract states it, too."""


def cancel_check_out(store: Store, request: CancelCheckOutRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """End a loan that was a slip, without a fine. Raises `LoanNotFound` and `CannotCancel`."""

    def cancel(alone: bool) -> loan_pb2.Loan:
        loan = _locked(store, request.loan_id)
        changes = Changes(clock(), request.staff, alone)
        if loan.return_time is not None:
            raise CannotCancel(loan_id=loan.id, problem=f"it was returned at {rfc3339(loan.return_time)}")
        if loan.renewal_count:
            raise CannotCancel(loan_id=loan.id, problem="it was renewed")
        _refuse_late(loan, loan.borrow_time, changes.time)
        loan.return_time = max(changes.time, loan.borrow_time)
        Loan.update(return_time=loan.return_time).where(Loan.id == loan.id).execute()
        copies.take_back_copy(loan.book_id, loan.item_id, alone=alone)
        DECREMENT_LOAN_COUNT.rows(user_id=loan.user_id)
        changes.loan(loan.id)
        changes.event(HISTORY_EVENT_CHECK_OUT_CANCELLED, loan)
        changes.write()
        return shown_loan(loan, current_policy(rules), changes.time)

    with readable("loan", request.loan_id):
        return done_once(store, request, loan_pb2.Loan, cancel, clock)


def cancel_check_in(store: Store, request: CancelCheckInRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Open a loan again whose return was a slip. Raises `LoanNotFound` and `CannotCancel`."""

    def cancel(alone: bool) -> loan_pb2.Loan:
        loan = _locked(store, request.loan_id)
        changes = Changes(clock(), request.staff, alone)
        if loan.return_time is None:
            raise CannotCancel(loan_id=loan.id, problem="it is open")
        _refuse_late(loan, loan.checkin_time, changes.time)
        copies.lock_book(store, loan.book_id)
        lock_users(store, loan.user_id)
        _refuse_changed(loan)
        loan.return_time = loan.checkin_time = None
        loan.fine_nanos = loan.assessed_nanos
        loan.fine_currency = loan.fine_currency if loan.assessed_nanos else ""
        opened = {name: getattr(loan, name) for name in ("return_time", "checkin_time", "fine_nanos", "fine_currency")}
        Loan.update(opened).where(Loan.id == loan.id).execute()
        copies.lend_copy(loan.book_id, loan.item_id, alone=alone)
        ADD_LOAN.rows(user_id=loan.user_id)
        changes.loan(loan.id)
        changes.event(HISTORY_EVENT_CHECK_IN_CANCELLED, loan)
        changes.write()
        return shown_loan(loan, current_policy(rules), changes.time)

    with readable("loan", request.loan_id):
        return done_once(store, request, loan_pb2.Loan, cancel, clock)


def _locked(store: Store, loan_id: str) -> Loan:
    loan = locked_loan(store, Loan.id == loan_id)
    if loan is None:
        raise LoanNotFound(loan_id=loan_id)
    return loan


def _refuse_late(loan: Loan, done_time: int | None, now: int) -> None:
    """Refuse to cancel what was done more than half an hour ago. A cancelled check-out was not checked in."""
    if done_time is None:
        raise CannotCancel(loan_id=loan.id, problem="it was not checked in")
    if now - done_time > CANCEL_SECONDS * SECOND:
        raise CannotCancel(loan_id=loan.id, problem=f"more than {CANCEL_SECONDS // 60} minutes have passed")


def _refuse_changed(loan: Loan) -> None:
    """Refuse to open a loan whose copy or user is not as it was."""
    borrower = borrower_facts(loan.user_id)
    if borrower is None or borrower.state != USER_STATE_ACTIVE:
        raise CannotCancel(loan_id=loan.id, problem="the user's account is not active")
    if loan.item_id:
        is_free = not (is_open_loan_of_item(loan.item_id) or _was_lent_since(loan))
    else:
        book = copies.book_facts(loan.book_id)
        is_free = book is not None and book.has_free_copy
    if not is_free:
        raise CannotCancel(loan_id=loan.id, problem="its copy was lent since")


def _was_lent_since(loan: Loan) -> bool:
    """Return whether the item of a loan that was returned was lent again. A cancelled check-out was not a loan."""
    was_cancelled = Loan.return_time.is_null(False) & Loan.checkin_time.is_null()
    later = (Loan.book_id == loan.book_id) & (Loan.key > loan.key) & (Loan.borrow_time >= loan.checkin_time)
    return Loan.select().where(later, Loan.item_id == loan.item_id, ~was_cancelled).exists()
