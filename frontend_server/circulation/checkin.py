"""Checking in: a copy comes back."""

from __future__ import annotations

from frontend_server.circulation.borrowers import DECREMENT_LOAN_COUNT
from frontend_server.circulation.copies import RELEASE_COPY
from frontend_server.circulation.fines import fine_nanos
from frontend_server.circulation.loans import loan_row, mark_for_push
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Loan
from library.frontend.v1.lending_service_pb2 import ReturnBookRequest
from library.v1 import loan_pb2
from library_domain.errors import LoanReturned
from library_domain.loans import loan_message
from service_kit.clock import Clock, rfc3339
from service_kit.idempotency import once
from service_kit.store import Store
from service_kit.unreadable import readable


def return_book(store: Store, request: ReturnBookRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Take a copy back, in any state of its book and its user. Raises `LoanNotFound` and `LoanReturned`."""
    with readable("loan", request.loan_id):
        return once(store, request, loan_pb2.Loan, lambda: _check_in(request.loan_id, rules, clock()), clock)


def _check_in(loan_id: str, rules: LendingRules, now: int) -> loan_pb2.Loan:
    loan = loan_row(loan_id)
    fine = fine_nanos(rules.daily_fine, loan.due_time, now)
    close = Loan.update(
        return_time=now, fine_nanos=fine, fine_currency=rules.daily_fine.currency if fine else ""
    ).where(Loan.id == loan_id, Loan.return_time.is_null())
    if not close.execute():
        raise LoanReturned(loan_id=loan_id, return_time=rfc3339(loan_row(loan_id).return_time or now))
    RELEASE_COPY.rows(book_id=loan.book_id)
    DECREMENT_LOAN_COUNT.rows(user_id=loan.user_id)
    return loan_message(mark_for_push(loan_id), now)
