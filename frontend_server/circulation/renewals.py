"""Whether a loan can be renewed, and when it is due then: pure functions of times in microseconds since 1970.

The refusals that depend on other rows (a hold of another user, a blocked user) are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from frontend_server.circulation.circulation_rule import CirculationRule, RenewFrom
from frontend_server.circulation.due_times import DueTime, Period, due_time_after, due_time_passed, loan_period_of
from frontend_server.circulation.lending_branch import LendingBranch
from library_domain.errors import (
    DueTimeUnchanged,
    LoanOverdue,
    RenewalLimitReached,
    RenewalTooEarly,
)
from service_kit.clock import rfc3339
from service_kit.errors import ServiceError


@dataclass(frozen=True)
class OpenLoan:
    """The facts of an open loan on which its renewal depends."""

    id: str
    borrow_time: int
    due_time: int
    renewal_count: int

    def is_overdue(self, now: int) -> bool:
        """Return whether the loan is later than its due time."""
        return now > self.due_time


def renewal_due_time(
    rule: CirculationRule,
    branch: LendingBranch,
    loan: OpenLoan,
    now: int,
    asked_days: int = 0,
    membership_end: date | None = None,
) -> DueTime:
    """Return when a loan that is renewed now is due. An overdue loan counts from today, never from a date in the past.

    Args:
        rule: The rule of the renewal.
        branch: The branch that lent.
        loan: The loan.
        now: The time of the renewal.
        asked_days: The days for which the borrower asks; `loan_too_long` limits them. 0: the rule's own period.
        membership_end: The last date of the user's membership, as for a check-out.
    """
    start = renewal_base(rule, loan, now)
    return due_time_after(start, renewal_period_of(rule, asked_days), rule, branch, now, membership_end)


def renewal_base(rule: CirculationRule, loan: OpenLoan, now: int) -> int:
    """Return the time from which a renewal that is made now counts."""
    counts_from_now = rule.renew_from is RenewFrom.NOW or loan.is_overdue(now)
    return now if counts_from_now else loan.due_time


def renewal_period_of(rule: CirculationRule, asked_days: int = 0) -> Period:
    """Return the period of a renewal: the days asked for, or the rule's for renewals, or its period of a loan."""
    if asked_days or rule.renewal_days is None:
        return loan_period_of(rule, asked_days)
    if rule.loan_hours:
        return Period(hours=rule.renewal_days)
    return Period(days=rule.renewal_days)


def renewal_refusals(
    rule: CirculationRule,
    branch: LendingBranch,
    loan: OpenLoan,
    now: int,
    new_due_time: int,
) -> list[ServiceError]:
    """Return why the due time of a loan cannot move to `new_due_time`.

    Args:
        rule: The rule of the renewal.
        branch: The branch that lent.
        loan: The loan.
        now: The time of the renewal.
        new_due_time: The due time by `renewal_due_time`, or one that a librarian chose. It is accepted or refused as it
            is, and never replaced by another.
    """
    return [
        *_overdue_refusals(rule, loan, now),
        *_limit_refusals(rule, branch, loan, new_due_time),
        *_window_refusals(rule, branch, loan, now),
        *_due_time_refusals(loan, now, new_due_time),
    ]


def _due_time_refusals(loan: OpenLoan, now: int, new_due_time: int) -> list[ServiceError]:
    if new_due_time <= loan.due_time:
        return [DueTimeUnchanged(loan_id=loan.id, due_time=rfc3339(loan.due_time))]
    return due_time_passed(new_due_time, now)


def _overdue_refusals(rule: CirculationRule, loan: OpenLoan, now: int) -> list[ServiceError]:
    if loan.is_overdue(now) and not rule.renew_overdue:
        return [LoanOverdue(loan_id=loan.id, due_time=rfc3339(loan.due_time))]
    return []


def _limit_refusals(
    rule: CirculationRule, branch: LendingBranch, loan: OpenLoan, new_due_time: int
) -> list[ServiceError]:
    days = (branch.date_of(new_due_time) - branch.date_of(loan.borrow_time)).days
    if loan.renewal_count >= rule.renewal_limit or days > rule.most_total_days:
        return [RenewalLimitReached(loan_id=loan.id, renewal_limit=rule.renewal_limit, day_limit=rule.most_total_days)]
    return []


def _window_refusals(rule: CirculationRule, branch: LendingBranch, loan: OpenLoan, now: int) -> list[ServiceError]:
    earliest = earliest_renewal_date(rule, branch, loan)
    if earliest and branch.date_of(now) < earliest:
        return [RenewalTooEarly(loan_id=loan.id, earliest_date=earliest)]
    return []


def earliest_renewal_date(rule: CirculationRule, branch: LendingBranch, loan: OpenLoan) -> date | None:
    """Return the first date on which a loan can be renewed. None: any."""
    if not rule.renew_window_days:
        return None
    return branch.date_of(loan.due_time) - timedelta(days=rule.renew_window_days)
