"""When a loan is due: pure functions of times in microseconds since 1970.

A loan for days is due at 23:59:59 of a local date of the branch that lends. A loan for hours is due when these hours
have elapsed, also when the clocks change between. A loan is overdue after its due time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import IntEnum

from frontend_server.circulation.circulation_rule import CirculationRule, DueMode
from frontend_server.circulation.lending_branch import LendingBranch
from library_domain.calendars import MOST_DAYS_OF_A_SEARCH, Calendar
from library_domain.errors import DueTimePassed, LoanTooLong
from service_kit.clock import SECOND, rfc3339
from service_kit.errors import ServiceError

HOUR = 3_600 * SECOND
ONE_DAY = timedelta(days=1)
ONE_WEEK = timedelta(days=7)


class ShiftKind(IntEnum):
    """What moved a due date. The numbers are those of `library.frontend.v1.DueShiftKind`."""

    CLOSED_DAY = 1
    TERM_CEILING = 2
    TERM_FLOOR = 3
    TERM_FIXED = 4
    MEMBERSHIP_END = 5


@dataclass(frozen=True)
class Shift:
    """One step on the way from the plain date, the base and the days, to the due date."""

    kind: ShiftKind
    from_date: date
    to_date: date
    reason: str


@dataclass(frozen=True)
class DueTime:
    """A due time, and each shift on the way to it."""

    time: int
    shifts: tuple[Shift, ...] = ()


@dataclass(frozen=True)
class Period:
    """How long a loan or a renewal lasts: hours if they are not 0, otherwise days."""

    days: int = 0
    hours: int = 0


def loan_period_of(rule: CirculationRule, asked_days: int = 0) -> Period:
    """Return the period of a loan: the days for which the borrower asks, otherwise the rule's own days or hours."""
    return Period(days=asked_days) if asked_days else Period(rule.loan_days, rule.loan_hours)


def checkout_due_time(
    rule: CirculationRule, branch: LendingBranch, now: int, asked_days: int = 0, membership_end: date | None = None
) -> DueTime:
    """Return when a loan that is made now is due.

    Args:
        rule: The rule that applies.
        branch: The branch that lends.
        now: The time of the check-out.
        asked_days: The days for which the borrower asks; `loan_too_long` limits them. 0: the rule's own period.
        membership_end: The last date of the user's membership. One that has passed moves no due date: the check-out is
            refused for it, see `is_membership_over`.
    """
    return due_time_after(now, loan_period_of(rule, asked_days), rule, branch, now, membership_end)


def due_time_after(
    start: int, period: Period, rule: CirculationRule, branch: LendingBranch, now: int, membership_end: date | None
) -> DueTime:
    """Return the due time of a period that counts from the time `start`: the check-out, or the base of a renewal."""
    last_date = None if is_membership_over(membership_end, branch, now) else membership_end
    if period.hours:
        return _due_after_hours(start + period.hours * HOUR, branch, last_date)
    start_date = branch.date_of(start)
    path = _Path(start_date + timedelta(days=period.days))
    _shift_by_due_mode(path, rule.due_mode, branch.calendar, start_date, period.days)
    _shift_into_term(path, rule, branch.calendar)
    if last_date and path.day > last_date:
        path.shift(ShiftKind.MEMBERSHIP_END, last_date, _membership_reason(last_date))
        path.shift_to_open_day(branch.calendar, branch.calendar.previous_open(path.day))
    return DueTime(branch.end_of(path.day), tuple(path.shifts))


def _due_after_hours(due_time: int, branch: LendingBranch, last_date: date | None) -> DueTime:
    """Return the end of hours that elapse. Only the end of the membership is earlier: closed days do not matter."""
    due_date = branch.date_of(due_time)
    if last_date is None or due_date <= last_date:
        return DueTime(due_time)
    shift = Shift(ShiftKind.MEMBERSHIP_END, due_date, last_date, _membership_reason(last_date))
    return DueTime(branch.end_of(last_date), (shift,))


def _membership_reason(last_date: date) -> str:
    return f"the membership ends on {last_date}"


def is_membership_over(membership_end: date | None, branch: LendingBranch, now: int) -> bool:
    """Return whether the last date of a membership has passed. The refusal is `MEMBERSHIP_EXPIRED`."""
    return membership_end is not None and branch.date_of(now) > membership_end


def loan_too_long(rule: CirculationRule, asked_days: int) -> list[ServiceError]:
    """Return the refusal of more days than the rule allows, if the borrower asks for that many."""
    if asked_days > rule.most_days:
        return [LoanTooLong(days=asked_days, most_days=rule.most_days)]
    return []


def due_time_passed(due_time: int, now: int) -> list[ServiceError]:
    """Return the refusal of a due time that is not later than now."""
    return [DueTimePassed(due_time=rfc3339(due_time))] if due_time <= now else []


@dataclass
class _Path:
    """The date that a loan is due by the steps so far."""

    day: date
    shifts: list[Shift] = field(default_factory=list)

    def shift(self, kind: ShiftKind, day: date, reason: str) -> None:
        if day != self.day:
            self.shifts.append(Shift(kind, self.day, day, reason))
            self.day = day

    def shift_to_open_day(self, calendar: Calendar, day: date | None) -> None:
        """Shift to the open day that a search found. Without one in 366 days, the date remains."""
        if day is not None:
            self.shift(ShiftKind.CLOSED_DAY, day, calendar.closed_reason(self.day))


def _shift_by_due_mode(path: _Path, mode: DueMode, calendar: Calendar, start: date, days: int) -> None:
    if mode is DueMode.NEXT_OPEN:
        path.shift_to_open_day(calendar, calendar.next_open(path.day))
    elif mode is DueMode.PREV_OPEN:
        path.shift_to_open_day(calendar, calendar.previous_open(path.day))
    elif mode is DueMode.SAME_WEEKDAY:
        path.shift_to_open_day(calendar, _open_same_weekday(path.day, days, calendar))
    elif mode is DueMode.COUNT_OPEN:
        day = _after_open_days(start, days, calendar)
        if day is not None:
            path.shift(ShiftKind.CLOSED_DAY, day, f"{days} open {'day' if days == 1 else 'days'} after {start}")


def _open_same_weekday(day: date, days: int, calendar: Calendar) -> date | None:
    """Return the first open date by whole weeks, if the loan lasts for whole weeks and the weekday is usually open."""
    if days % 7 or day.isoweekday() in calendar.weekly_closed_days:
        return calendar.next_open(day)
    weeks = (day + ONE_WEEK * number for number in range(1 + MOST_DAYS_OF_A_SEARCH // 7))
    return next((each for each in weeks if calendar.is_open(each)), None)


def _after_open_days(start: date, days: int, calendar: Calendar) -> date | None:
    """Return the date after a number of open days. None where 366 dates in a row are closed."""
    day = start
    for _ in range(days):
        open_day = calendar.next_open(day + ONE_DAY)
        if open_day is None:
            return None
        day = open_day
    return day


def _shift_into_term(path: _Path, rule: CirculationRule, calendar: Calendar) -> None:
    """Shift to the ceiling, the floor and the fixed date of the term, in this order: a later one overrules."""
    ceiling, floor, fixed = rule.term_ceiling_date, rule.term_floor_date, rule.term_fixed_date
    if ceiling and path.day > ceiling:
        path.shift(ShiftKind.TERM_CEILING, ceiling, f"due on {ceiling} at the latest")
        path.shift_to_open_day(calendar, calendar.previous_open(path.day))
    if floor and path.day < floor:
        path.shift(ShiftKind.TERM_FLOOR, floor, f"due on {floor} at the earliest")
        path.shift_to_open_day(calendar, calendar.next_open(path.day))
    if fixed:
        path.shift(ShiftKind.TERM_FIXED, fixed, f"all loans by this rule are due on {fixed}")
