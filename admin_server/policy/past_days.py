"""Which days in the past a change of a calendar would open: pure functions of local dates.

Fines were counted by closed days that have passed, so these stay closed. A day in the past may be closed later, for
example after a day of snow: this makes no fine higher.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from library_domain.calendars import Calendar

MOST_DAYS = 30 * 366
"""How far back the days are compared: much longer than a loan with its renewals can last."""


def first_opened_day(before: Calendar, after: Calendar, first_day: date, today: date) -> date | None:
    """Return the first day before today that was closed and would be open, or None.

    Args:
        before: The calendar as it is stored.
        after: The calendar as it is to be.
        first_day: The day on which the calendar got its first closed days. On a day before it, the branch was closed
            only if a range or an exception names it: nobody had counted by the days of the week at that time.
        today: The local date of the branch.
    """
    named = replace(before, weekly_closed_days=frozenset(), yearly_closed_days=frozenset())
    for day in _days(min(first_day, _first_named(named, today)), today):
        was_open = (before if day >= first_day else named).is_open(day)
        if not was_open and after.is_open(day):
            return day
    return None


def _first_named(calendar: Calendar, today: date) -> date:
    """Return the first date that a range or an exception closes."""
    closed = [each.first_date for each in calendar.closed_ranges]
    closed += [each.date for each in calendar.exceptions if not each.open]
    return min([*closed, today])


def _days(first: date, end: date) -> Iterator[date]:
    for ordinal in range(max(first.toordinal(), end.toordinal() - MOST_DAYS), end.toordinal()):
        yield date.fromordinal(ordinal)
