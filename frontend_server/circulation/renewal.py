"""Renewing: the due time of an open loan moves."""

from __future__ import annotations

from frontend_server.circulation.borrowers import borrower_facts, lock_users
from frontend_server.circulation.circulation_rule import CirculationRule
from frontend_server.circulation.copies import find_item
from frontend_server.circulation.current_policy import current_policy
from frontend_server.circulation.eligibility import BorrowerFacts, Refusal, Wish
from frontend_server.circulation.loan_fines import Fine, fine_of, shown_loan
from frontend_server.circulation.loans import Changes, locked_loan, open_loan_of_item
from frontend_server.circulation.outcomes import Outcome, shift_messages, tried
from frontend_server.circulation.overrides import NO_OVERRIDES, Overrides, refusal_messages
from frontend_server.circulation.policy import Policy
from frontend_server.circulation.renewal_gates import RenewalFacts, RenewalPlan, renewal_plan
from frontend_server.circulation.renewals import OpenLoan
from frontend_server.circulation.rules import LendingRules
from frontend_server.circulation.wishes import check_item
from frontend_server.refusals import refused
from frontend_server.store.models import Loan
from library.frontend.v1.circulation_service_pb2 import RenewRequest, RenewResponse
from library.frontend.v1.lending_service_pb2 import RenewLoanRequest
from library.v1 import loan_pb2
from library.v1.history_pb2 import HISTORY_EVENT_RENEW
from library_domain.barcodes import normalized_barcode
from library_domain.errors import BarcodeNotFound, ItemNotOnLoan, LoanNotFound
from service_kit.clock import Clock, micros
from service_kit.errors import RowUnreadable
from service_kit.idempotency import once
from service_kit.store import Store
from service_kit.unreadable import readable


def renew_loan(store: Store, request: RenewLoanRequest, rules: LendingRules, clock: Clock) -> loan_pb2.Loan:
    """Extend a loan. Raises the first refusal that applies, with all others: see `frontend_server.refusals`."""
    wish = Wish(days=request.days)

    def renew() -> loan_pb2.Loan:
        now = clock()
        loan = locked_loan(store, Loan.id == request.loan_id)
        if loan is None:
            raise LoanNotFound(loan_id=request.loan_id)
        changes = Changes(now)
        outcome = renew_locked(store, wish, loan, current_policy(rules), changes, NO_OVERRIDES)
        return _done(outcome, changes)

    with readable("loan", request.loan_id):
        return once(store, request, loan_pb2.Loan, renew, clock)


def renew_item(store: Store, request: RenewRequest, rules: LendingRules, clock: Clock) -> RenewResponse:
    """Extend the loan of an item. Raises the first refusal that applies, with all others."""
    check_item(request)
    wish = Wish(
        barcode=normalized_barcode(request.barcode),
        days=request.days,
        due_time=micros(request.due_time) if request.HasField("due_time") else None,
    )
    overrides = Overrides.from_messages(request.overrides)

    def renew() -> RenewResponse:
        changes = Changes(clock(), request.staff)
        try:
            loan = _loan_of(store, wish.barcode)
            outcome = renew_locked(store, wish, loan, current_policy(rules), changes, overrides)
        except (BarcodeNotFound, ItemNotOnLoan) as error:
            outcome = Outcome(refused=[error])
        if request.validate_only and outcome.refused:
            return RenewResponse(refusals=refusal_messages(outcome.refused))
        message = _done(outcome, changes)
        kept = [] if request.validate_only else refusal_messages(outcome.overridden)
        return RenewResponse(loan=message, refusals=kept, shifts=shift_messages(outcome.shifts))

    with readable("item", wish.barcode):
        return tried(store, renew) if request.validate_only else once(store, request, RenewResponse, renew, clock)


def _loan_of(store: Store, barcode: str) -> Loan:
    """Return the locked open loan of an item. Raises the refusals of an unknown item, and of one that is not out."""
    item = find_item(barcode)
    if item is None:
        raise BarcodeNotFound(barcode=barcode)
    loan = open_loan_of_item(store, item.id)
    if loan is None:
        raise ItemNotOnLoan(barcode=item.barcode)
    return loan


def _done(outcome: Outcome, changes: Changes) -> loan_pb2.Loan:
    if outcome.loan is None:
        raise refused(outcome.refused)
    changes.write()
    return outcome.loan


def renew_locked(
    store: Store, wish: Wish, loan: Loan, policy: Policy, changes: Changes, overrides: Overrides
) -> Outcome:
    """Extend a loan whose row is locked, unless there are refusals that nobody overrides."""
    lock_users(store, loan.user_id)
    plan, rule = plan_of_renewal(wish, loan, policy, changes.time)
    remaining, overridden = overrides.split(plan.refusals)
    if remaining:
        return Outcome(refused=remaining)
    fine = fine_of(loan, policy, changes.time)
    branch = policy.branch_of_loan(loan.branch, loan.time_zone)
    values = {
        "due_time": plan.due.time,
        "days": max(0, (branch.date_of(plan.due.time) - branch.date_of(loan.borrow_time)).days),
        "renewal_count": loan.renewal_count + 1,
        "rule_id": rule.id,
        "rule": rule.snapshot,
        "assessed_nanos": fine.nanos,
        "fine_nanos": fine.nanos,
        "fine_currency": fine.currency,
    }
    Loan.update(**values).where(Loan.id == loan.id).execute()
    for name, value in values.items():
        setattr(loan, name, value)
    changes.loan(loan.id)
    detail = f"due {branch.date_of(plan.due.time)}"
    changes.event(HISTORY_EVENT_RENEW, loan, detail, overrides.kept(overridden))
    message = shown_loan(loan, policy, changes.time)
    return Outcome(message, overridden=overridden, shifts=plan.due.shifts, renewed=True)


def plan_of_renewal(wish: Wish, loan: Loan, policy: Policy, now: int) -> tuple[RenewalPlan, CirculationRule]:
    """Return what the renewal of a loan does at a time, and by which rule."""
    borrower, unreadable = _borrower(loan.user_id)
    facts = RenewalFacts(
        OpenLoan(loan.id, loan.borrow_time, loan.due_time, loan.renewal_count),
        loan.return_time,
        policy.branch_of_loan(loan.branch, loan.time_zone),
        borrower,
        unreadable,
    )
    rule = _rule_of_renewal(loan, borrower, policy, fine_of(loan, policy, now))
    wish_of_user = Wish(wish.book_id, wish.barcode, loan.user_id, "", wish.days, wish.due_time, wish.branch)
    return renewal_plan(wish_of_user, facts, rule, now), rule


def _rule_of_renewal(loan: Loan, borrower: BorrowerFacts | None, policy: Policy, fine: Fine) -> CirculationRule:
    """Return the rule of today for the loan; its own if the fine so far is in another currency."""
    category = borrower.user_category if borrower else ""
    rule = policy.rule_for(loan.branch, category, loan.item_type)
    if fine.nanos and rule.currency not in ("", fine.currency):
        return policy.rule_of_loan(bytes(loan.rule or b""))
    return rule


def _borrower(user_id: str) -> tuple[BorrowerFacts | None, Refusal | None]:
    try:
        return borrower_facts(user_id), None
    except RowUnreadable as unreadable:
        return None, unreadable
