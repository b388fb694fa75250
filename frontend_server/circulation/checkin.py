"""Checking in: a copy comes back."""

from __future__ import annotations

from frontend_server.circulation.fines import fine_nanos
from frontend_server.circulation.loans import changed_loan, stored_loan
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Book, Loan, User
from library.frontend.v1.lending_service_pb2 import ReturnBookRequest
from library.v1 import loan_pb2
from library_domain.errors import LoanReturned
from library_domain.loans import loan_message
from service_kit.clock import Clock, rfc3339
from service_kit.idempotency import once
from service_kit.statements import Statement, slot
from service_kit.store import Store
from service_kit.unreadable import readable

GIVE_COPY = Statement(Book.update(on_loan=Book.on_loan - 1).where(Book.id == slot("book_id"), Book.on_loan > 0))
GIVE_PLACE = Statement(
    User.update(active_loan_count=User.active_loan_count - 1)
    .where(User.id == slot("user_id"), User.active_loan_count > 0)
)  # fmt: skip


def return_book(store: Store, request: ReturnBookRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Take a copy back, once."""
    with readable("loan", request.loan_id):
        return once(store, request, loan_pb2.Loan, lambda: _take_back(request.loan_id, rules, clock()), clock)


def _take_back(loan_id: str, rules: LendingRules, now: int) -> loan_pb2.Loan:
    loan = stored_loan(loan_id)
    fine = fine_nanos(rules.daily_fine, loan.due_time, now)
    came_back = Loan.update(
        return_time=now, fine_nanos=fine, fine_currency=rules.daily_fine.currency if fine else ""
    ).where(Loan.id == loan_id, Loan.return_time.is_null())
    if not came_back.execute():
        raise LoanReturned(loan_id=loan_id, return_time=rfc3339(stored_loan(loan_id).return_time or now))
    GIVE_COPY.rows(book_id=loan.book_id)
    GIVE_PLACE.rows(user_id=loan.user_id)
    return loan_message(changed_loan(loan_id), now)
