"""What is wrong with a calendar, beyond the rules that the contract states for each field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

from google.type.date_pb2 import Date

from library.v1 import calendar_pb2
from library_domain.calendars import MOST_DAYS_OF_A_SEARCH, Calendar
from library_domain.errors import NeverOpen
from library_domain.local_dates import date_of_message

SOME_LEAP_YEAR = 2028

Problem = tuple[str, str]
"""The path of a field in the calendar, and what is wrong with it."""


def calendar_problems(calendar: calendar_pb2.Calendar) -> list[Problem]:
    """Return what is wrong with the dates of a calendar: for each problem the field's path and a text."""
    return [
        *_weekly_problems(calendar),
        *_yearly_problems(calendar),
        *_range_problems(calendar),
        *_exception_problems(calendar),
    ]


def raise_if_never_open(calendar: Calendar, today: date, field: str = "calendar") -> None:
    """Raise `NeverOpen`, which names a field of the request, if none of the 366 dates from today on is open."""
    if calendar.next_open(today) is None:
        raise NeverOpen((field, f"none of the {MOST_DAYS_OF_A_SEARCH} days from {today} on is open; leave a day open"))


def _weekly_problems(calendar: calendar_pb2.Calendar) -> Iterator[Problem]:
    if len(set(calendar.weekly_closed_days)) < len(calendar.weekly_closed_days):
        yield "weekly_closed_days", "has a day of the week twice"


def _yearly_problems(calendar: calendar_pb2.Calendar) -> Iterator[Problem]:
    times = Counter((yearly.month, yearly.day) for yearly in calendar.yearly_closed_days)
    for number, yearly in enumerate(calendar.yearly_closed_days):
        field = f"yearly_closed_days[{number}]"
        if _date_or_none(Date(year=SOME_LEAP_YEAR, month=yearly.month, day=yearly.day)) is None:
            yield field, f"month {yearly.month} has no day {yearly.day}"
        elif times[yearly.month, yearly.day] > 1:
            yield field, f"is in the list {times[yearly.month, yearly.day]} times"


def _range_problems(calendar: calendar_pb2.Calendar) -> Iterator[Problem]:
    dates = [(_date_or_none(each.first_date), _date_or_none(each.last_date)) for each in calendar.closed_ranges]
    times = Counter(dates)
    for number, (first, last) in enumerate(dates):
        field = f"closed_ranges[{number}]"
        if first is None:
            yield f"{field}.first_date", "is not a date"
        if last is None:
            yield f"{field}.last_date", "is not a date"
        if first and last and last < first:
            yield f"{field}.last_date", f"is {last}, before the first date, {first}"
        elif first and last and times[first, last] > 1:
            yield field, f"is in the list {times[first, last]} times"


def _exception_problems(calendar: calendar_pb2.Calendar) -> Iterator[Problem]:
    dates = [_date_or_none(exception.date) for exception in calendar.exceptions]
    times = Counter(dates)
    for number, day in enumerate(dates):
        field = f"exceptions[{number}].date"
        if day is None:
            yield field, "is not a date"
        elif times[day] > 1:
            yield field, f"{day} has {times[day]} exceptions; a date has one at most"


def _date_or_none(message: Date) -> date | None:
    try:
        return date_of_message(message)
    except ValueError:
        return None
