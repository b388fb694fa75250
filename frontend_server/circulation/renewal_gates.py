"""Whether a loan can be renewed, and until when: pure functions of facts and rules, without a store or a clock."""

from __future__ import annotations

from dataclasses import dataclass

from frontend_server.circulation.circulation_rule import CirculationRule
from frontend_server.circulation.due_times import DueTime
from frontend_server.circulation.eligibility import BorrowerFacts, Refusal, Wish, account_refusals, too_long
from frontend_server.circulation.lending_branch import LendingBranch
from frontend_server.circulation.renewals import OpenLoan, renewal_base, renewal_due_time, renewal_refusals
from library_domain.errors import LoanReturned
from service_kit.clock import rfc3339


@dataclass(frozen=True)
class RenewalFacts:
    """The facts on which a renewal depends. An unknown user is None."""

    loan: OpenLoan
    return_time: int | None
    branch: LendingBranch
    """The branch that lent."""
    borrower: BorrowerFacts | None
    unreadable_user: Refusal | None = None
    """Why the user's row cannot be read; then `borrower` is None."""


@dataclass(frozen=True)
class RenewalPlan:
    """What a renewal would do, and why it is refused."""

    refusals: list[Refusal]
    due: DueTime


def renewal_plan(wish: Wish, facts: RenewalFacts, rule: CirculationRule, now: int) -> RenewalPlan:
    """Return what a renewal by a rule does at a time. A returned loan is neither overdue nor at its limits."""
    loan, branch, borrower = facts.loan, facts.branch, facts.borrower
    account = [facts.unreadable_user] if facts.unreadable_user else account_refusals(wish, borrower, branch, now)
    membership_end = borrower.last_date(branch.zone) if borrower else None
    if wish.due_time is None:
        due = renewal_due_time(rule, branch, loan, now, wish.days, membership_end)
    else:
        due = DueTime(wish.due_time)
    if facts.return_time is not None:
        return RenewalPlan([LoanReturned(loan_id=loan.id, return_time=rfc3339(facts.return_time)), *account], due)
    length = too_long(wish, rule, branch, renewal_base(rule, loan, now))
    refusals = [*renewal_refusals(rule, branch, loan, now, due.time), *account, *length]
    return RenewalPlan(refusals, due)
