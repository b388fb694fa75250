"""Renewing: the due time of an open loan moves."""

from __future__ import annotations

import peewee

from frontend_server.circulation.borrowers import locked_borrower_facts
from frontend_server.circulation.due_times import loan_period
from frontend_server.circulation.eligibility import RenewalFacts, renewal_eligibility
from frontend_server.circulation.loans import mark_for_push
from frontend_server.circulation.rules import LendingRules
from frontend_server.refusals import raise_if_refused
from frontend_server.store.models import Loan, User
from library.frontend.v1.lending_service_pb2 import RenewLoanRequest
from library.v1 import loan_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.errors import LoanNotFound
from library_domain.loans import loan_message
from service_kit.clock import Clock
from service_kit.idempotency import once
from service_kit.statements import Statement, param
from service_kit.store import Store
from service_kit.unreadable import readable

IS_OF_ACTIVE_USER = peewee.fn.EXISTS(
    User.select(peewee.SQL("1")).where(User.id == Loan.user_id, User.state == USER_STATE_ACTIVE)
)
# It changes nothing, but locks the row, so what it returns stays true until the transaction ends.
LOCK_LOAN = Statement(
    Loan.update(renewal_count=Loan.renewal_count)
    .where(Loan.id == param("loan_id"))
    .returning(Loan.user_id, Loan.due_time, Loan.return_time, Loan.days, Loan.renewal_count)
)


def renew_loan(store: Store, request: RenewLoanRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Extend a loan. Raises the first refusal that applies, with all others: see `frontend_server.refusals`."""
    with readable("loan", request.loan_id):
        return once(store, request, loan_pb2.Loan, lambda: _renew(request, rules, clock()), clock)


def _renew(request: RenewLoanRequest, rules: LendingRules, now: int) -> loan_pb2.Loan:
    extend = Loan.update(
        days=Loan.days + request.days,
        due_time=Loan.due_time + loan_period(request.days),
        renewal_count=Loan.renewal_count + 1,
    ).where(
        Loan.id == request.loan_id,
        Loan.return_time.is_null(),
        Loan.due_time >= now,
        Loan.renewal_count < rules.renewal_limit,
        Loan.days + request.days <= rules.day_limit,
        IS_OF_ACTIVE_USER,
    )
    if not extend.execute():
        facts = _locked_facts(request, now)
        raise_if_refused(renewal_eligibility(facts, rules))
        # The user became active after the first attempt. With both rows locked, this one is certain.
        extend.execute()
    return loan_message(mark_for_push(request.loan_id), now)


def _locked_facts(request: RenewLoanRequest, now: int) -> RenewalFacts:
    """Lock the loan, then its user, and return the facts of the renewal. Raises `LoanNotFound`."""
    row = LOCK_LOAN.row(loan_id=request.loan_id)
    if row is None:
        raise LoanNotFound(loan_id=request.loan_id)
    user_id, due_time, return_time, days, renewal_count = row
    return RenewalFacts(
        loan_id=request.loan_id,
        due_time=due_time,
        return_time=return_time,
        days=days,
        renewal_count=renewal_count,
        user_id=user_id,
        borrower=locked_borrower_facts(user_id),
        more_days=request.days,
        now=now,
    )
