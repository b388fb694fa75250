"""Renewing: a loan that goes on."""

from __future__ import annotations

import peewee

from frontend_server.circulation.eligibility import refusal_by_state
from frontend_server.circulation.loans import changed_loan, stored_loan
from frontend_server.circulation.rules import DAY_LIMIT, RENEWAL_LIMIT
from frontend_server.store.models import Loan, User
from library.frontend.v1.lending_service_pb2 import RenewLoanRequest
from library.v1 import loan_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.errors import LoanOverdue, LoanReturned, RenewalLimitReached, UserNotFound
from library_domain.loans import loan_message
from service_kit.clock import DAY, Clock, rfc3339
from service_kit.errors import ServiceError
from service_kit.idempotency import once
from service_kit.statements import Statement, slot
from service_kit.store import Store
from service_kit.unreadable import readable

USER_STATE = Statement(User.select(User.state).where(User.id == slot("user_id")))
IS_OF_ACTIVE_USER = peewee.fn.EXISTS(
    User.select(peewee.SQL("1")).where(User.id == Loan.user_id, User.state == USER_STATE_ACTIVE)
)


def renew_loan(store: Store, request: RenewLoanRequest, clock: Clock) -> loan_pb2.Loan:
    """Extend a loan that is not due yet, within the limits."""
    with readable("loan", request.loan_id):
        return once(store, request, loan_pb2.Loan, lambda: _renew(request, clock()), clock)


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
        raise _why_not_renewed(stored_loan(request.loan_id), request.days, now)
    return loan_message(changed_loan(request.loan_id), now)


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
