"""The opening days of a branch: which dates are open, why a date is closed, and the search for an open day.

The first of these that names a date decides about it: an exception, a closed range, a yearly closed day, a weekly
closed day. Every other date is open. All dates are local dates of the branch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from library.v1 import calendar_pb2
from library_domain.local_dates import date_of_message

MOST_DAYS_OF_A_SEARCH = 366
"""A search for an open day looks at this many dates. A calendar that is closed on all of them is refused."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class ClosedRange:
    """Dates on which a branch is closed, both ends included."""

    first_date: date
    last_date: date
    reason: str = ""


@dataclass(frozen=True)
class ExceptionalDay:
    """A date that is open or closed against the other parts of the calendar."""

    date: date
    open: bool
    reason: str = ""


@dataclass(frozen=True)
class Calendar:
    """The calendar of a branch. The empty one is open every day."""

    branch: str = ""
    weekly_closed_days: frozenset[int] = frozenset()
    """Numbers of `google.type.DayOfWeek`, which are those of `date.isoweekday`: 1 is Monday, 7 is Sunday."""
    yearly_closed_days: frozenset[tuple[int, int]] = frozenset()
    """Pairs of a month and a day. 29 February closes leap years only."""
    closed_ranges: tuple[ClosedRange, ...] = ()
    exceptions: tuple[ExceptionalDay, ...] = ()

    @classmethod
    def from_message(cls, calendar: calendar_pb2.Calendar) -> Calendar:
        """Convert the message. Raises `ValueError` for a date that does not exist."""
        return cls(
            branch=calendar.branch,
            weekly_closed_days=frozenset(calendar.weekly_closed_days),
            yearly_closed_days=frozenset((yearly.month, yearly.day) for yearly in calendar.yearly_closed_days),
            closed_ranges=tuple(
                ClosedRange(date_of_message(each.first_date), date_of_message(each.last_date), each.reason)
                for each in calendar.closed_ranges
            ),
            exceptions=tuple(
                ExceptionalDay(date_of_message(each.date), each.open, each.reason) for each in calendar.exceptions
            ),
        )

    def closed_reason(self, day: date) -> str:
        """Return why the branch is closed on a date, or an empty text if it is open."""
        exception = self._exceptions.get(day)
        if exception:
            return "" if exception.open else exception.reason or f"exceptionally closed on {day}"
        for closed in self.closed_ranges:
            if closed.first_date <= day <= closed.last_date:
                return closed.reason or f"closed from {closed.first_date} to {closed.last_date}"
        if (day.month, day.day) in self.yearly_closed_days:
            return f"closed each year on {day:%m-%d}"
        if day.isoweekday() in self.weekly_closed_days:
            return f"closed on {WEEKDAYS[day.weekday()]}s"
        return ""

    def is_open(self, day: date) -> bool:
        """Return whether the branch is open on a date."""
        return self._open_days(day.year)[day.toordinal() - date(day.year, 1, 1).toordinal()] == OPEN

    def next_open(self, day: date) -> date | None:
        """Return the date itself if it is open, or the next open date. None if 366 dates are closed."""
        return next((each for each in _dates(day, 1) if self.is_open(each)), None)

    def previous_open(self, day: date) -> date | None:
        """Return the date itself if it is open, or the last open date before it. None if 366 dates are closed."""
        return next((each for each in _dates(day, -1) if self.is_open(each)), None)

    def open_days(self, after: date, until: date) -> int:
        """Return how many dates d with after < d ≤ until are open."""
        if until <= after:
            return 0
        count = 0
        for year in range(after.year, until.year + 1):
            new_year = date(year, 1, 1).toordinal()
            first = max(0, after.toordinal() + 1 - new_year)
            count += self._open_days(year).count(OPEN, first, until.toordinal() + 1 - new_year)
        return count

    def _open_days(self, year: int) -> bytes:
        """Return a byte for each date of a year, computed once: fines count the open days of months and years."""
        known = self._years.get(year)
        if known is None:
            first, end = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1
            known = bytes(not self.closed_reason(date.fromordinal(each)) for each in range(first, end))
            self._years[year] = known
        return known

    @cached_property
    def _exceptions(self) -> dict[date, ExceptionalDay]:
        return {exception.date: exception for exception in self.exceptions}

    @cached_property
    def _years(self) -> dict[int, bytes]:
        return {}


OPEN = 1
"""The byte of an open date in `Calendar._open_days`."""

ALWAYS_OPEN = Calendar()
"""Applies to a branch without a calendar."""


def _dates(day: date, step: int) -> Iterator[date]:
    """Yield the dates of a search, which ends with Python's dates at the latest."""
    for ordinal in range(day.toordinal(), day.toordinal() + step * MOST_DAYS_OF_A_SEARCH, step):
        if date.min.toordinal() <= ordinal <= date.max.toordinal():
            yield date.fromordinal(ordinal)
