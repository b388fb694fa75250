"""Section 4 of the agreement: which date is open, and which calendar is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from google.type.date_pb2 import Date
from google.type.dayofweek_pb2 import SATURDAY, SUNDAY

from library.v1 import calendar_pb2
from library_domain.calendar_problems import calendar_problems, raise_if_never_open
from library_domain.calendars import ALWAYS_OPEN, Calendar, ClosedRange, ExceptionalDay
from library_domain.errors import NeverOpen
from library_domain.local_dates import date_message
from tests.support.lending_terms import CHRISTMAS, CLOSED_SUNDAYS, closed, day, opened, shut

ALL_WEEKDAYS = Calendar(weekly_closed_days=frozenset(range(1, 8)))
EVERYTHING = Calendar(
    weekly_closed_days=frozenset({7}),
    yearly_closed_days=frozenset({(12, 25), (2, 29)}),
    closed_ranges=(closed("2026-12-24", "2027-01-03", "Christmas"), closed("2027-01-02", "2027-01-05")),
    exceptions=(
        opened("2026-12-27", "Fair"),
        shut("2026-12-22", "Stocktaking"),
        shut("2026-12-21"),
        opened("2027-12-25"),
    ),
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-12-19", ""),
        ("2026-12-20", "closed on Sundays"),
        ("2026-12-21", "exceptionally closed on 2026-12-21"),
        ("2026-12-22", "Stocktaking"),
        ("2026-12-23", ""),
        ("2026-12-24", "Christmas"),
        ("2026-12-25", "Christmas"),  # the range is named before the yearly day
        ("2026-12-27", ""),  # an exception opens a closed range, and a Sunday
        ("2027-01-03", "Christmas"),
        ("2027-01-04", "closed from 2027-01-02 to 2027-01-05"),
        ("2027-01-05", "closed from 2027-01-02 to 2027-01-05"),
        ("2027-01-06", ""),
        ("2027-12-25", ""),  # an exception opens a yearly closed day
        ("2028-12-25", "closed each year on 12-25"),
        ("2028-02-29", "closed each year on 02-29"),
        ("2027-02-28", "closed on Sundays"),
        ("2027-03-01", ""),
    ],
)
def test_the_first_that_names_a_date_decides(text: str, reason: str) -> None:
    assert EVERYTHING.closed_reason(day(text)) == reason
    assert EVERYTHING.is_open(day(text)) == (reason == "")


def test_open_days_are_counted_after_one_date_up_to_another() -> None:
    assert CHRISTMAS.open_days(day("2026-12-10"), day("2026-12-30")) == 14
    assert CLOSED_SUNDAYS.open_days(day("2026-11-15"), day("2026-11-16")) == 1
    assert CLOSED_SUNDAYS.open_days(day("2026-11-14"), day("2026-11-15")) == 0
    assert CLOSED_SUNDAYS.open_days(day("2026-11-16"), day("2026-11-16")) == 0
    assert CLOSED_SUNDAYS.open_days(day("2026-11-17"), day("2026-11-16")) == 0
    assert ALWAYS_OPEN.open_days(day("2027-12-31"), day("2029-01-01")) == 367


def test_a_search_looks_at_366_dates_both_ways() -> None:
    only = Calendar(weekly_closed_days=frozenset(range(1, 8)), exceptions=(opened("2028-01-01"),))
    assert only.next_open(day("2028-01-01")) == only.previous_open(day("2028-01-01")) == day("2028-01-01")
    assert only.next_open(day("2027-01-01")) == day("2028-01-01")
    assert only.next_open(day("2026-12-31")) is None
    assert only.previous_open(day("2028-12-31")) == day("2028-01-01")
    assert only.previous_open(day("2029-01-01")) is None
    assert ALL_WEEKDAYS.next_open(date.max) is None
    assert ALL_WEEKDAYS.previous_open(date.min) is None


TODAY = day("2026-11-16")


@pytest.mark.parametrize(
    "calendar",
    [
        ALL_WEEKDAYS,  # C10
        Calendar(closed_ranges=(closed("2026-11-16", "2027-11-16"),)),
        Calendar(yearly_closed_days=frozenset((month, number) for month in range(1, 13) for number in range(1, 32))),
        replace(ALL_WEEKDAYS, exceptions=(opened("2026-11-15"), opened("2027-11-17"))),
    ],
)
def test_C10_a_calendar_without_an_open_day_in_366_is_refused(calendar: Calendar) -> None:
    with pytest.raises(NeverOpen, match="none of the 366 days from 2026-11-16 on is open") as refused:
        raise_if_never_open(calendar, TODAY)
    assert (refused.value.reason, refused.value.status.name) == ("NEVER_OPEN", "INVALID_ARGUMENT")
    assert refused.value.problems[0][0] == "calendar"


@pytest.mark.parametrize(
    "calendar",
    [
        ALWAYS_OPEN,
        EVERYTHING,
        replace(ALL_WEEKDAYS, exceptions=(opened("2026-11-16"),)),
        replace(ALL_WEEKDAYS, exceptions=(opened("2027-11-16"),)),
        Calendar(closed_ranges=(closed("2026-11-16", "2027-11-15"),)),
    ],
)
def test_a_calendar_with_an_open_day_is_accepted(calendar: Calendar) -> None:
    raise_if_never_open(calendar, TODAY)


def dated(text: str) -> Date:
    return date_message(day(text))


def test_a_calendar_is_read_from_its_message() -> None:
    message = calendar_pb2.Calendar(
        branch="north",
        weekly_closed_days=[SATURDAY, SUNDAY],
        yearly_closed_days=[calendar_pb2.YearlyDay(month=2, day=29)],
        closed_ranges=[
            calendar_pb2.ClosedRange(first_date=dated("2026-07-20"), last_date=dated("2026-08-02"), reason="Summer")
        ],
        exceptions=[calendar_pb2.CalendarException(date=dated("2026-12-13"), open=True, reason="Advent")],
    )
    assert calendar_problems(message) == []
    assert Calendar.from_message(message) == Calendar(
        branch="north",
        weekly_closed_days=frozenset({6, 7}),
        yearly_closed_days=frozenset({(2, 29)}),
        closed_ranges=(ClosedRange(day("2026-07-20"), day("2026-08-02"), "Summer"),),
        exceptions=(ExceptionalDay(day("2026-12-13"), open=True, reason="Advent"),),
    )
    assert Calendar.from_message(calendar_pb2.Calendar()) == ALWAYS_OPEN


def test_all_problems_of_a_calendar_are_named() -> None:
    message = calendar_pb2.Calendar(
        weekly_closed_days=[SUNDAY, SATURDAY, SUNDAY],
        yearly_closed_days=[
            calendar_pb2.YearlyDay(month=month, day=number)
            for month, number in ((2, 30), (4, 31), (5, 1), (5, 1), (0, 0))
        ],
        closed_ranges=[
            calendar_pb2.ClosedRange(first_date=dated("2026-08-02"), last_date=dated("2026-08-01")),
            calendar_pb2.ClosedRange(first_date=Date(year=2027, month=2, day=29)),
            *[calendar_pb2.ClosedRange(first_date=dated("2026-08-02"), last_date=dated("2026-08-02"))] * 2,
            calendar_pb2.ClosedRange(first_date=dated("2026-08-02"), last_date=dated("2026-08-09")),
        ],
        exceptions=[
            calendar_pb2.CalendarException(date=Date(year=2026, month=13, day=1)),
            calendar_pb2.CalendarException(date=Date(month=12, day=24)),
            calendar_pb2.CalendarException(date=dated("2026-12-13"), open=True),
            calendar_pb2.CalendarException(date=dated("2026-12-13")),
            calendar_pb2.CalendarException(date=dated("2026-12-14")),
        ],
    )
    assert calendar_problems(message) == [
        ("weekly_closed_days", "has a day of the week twice"),
        ("yearly_closed_days[0]", "month 2 has no day 30"),
        ("yearly_closed_days[1]", "month 4 has no day 31"),
        ("yearly_closed_days[2]", "is in the list 2 times"),
        ("yearly_closed_days[3]", "is in the list 2 times"),
        ("yearly_closed_days[4]", "month 0 has no day 0"),
        ("closed_ranges[0].last_date", "is 2026-08-01, before the first date, 2026-08-02"),
        ("closed_ranges[1].first_date", "is not a date"),
        ("closed_ranges[1].last_date", "is not a date"),
        ("closed_ranges[2]", "is in the list 2 times"),
        ("closed_ranges[3]", "is in the list 2 times"),
        ("exceptions[0].date", "is not a date"),
        ("exceptions[1].date", "is not a date"),
        ("exceptions[2].date", "2026-12-13 has 2 exceptions; a date has one at most"),
        ("exceptions[3].date", "2026-12-13 has 2 exceptions; a date has one at most"),
    ]


def test_a_date_of_a_message_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="day"):
        Calendar.from_message(
            calendar_pb2.Calendar(exceptions=[calendar_pb2.CalendarException(date=Date(year=2026, month=2, day=30))])
        )


def test_days_of_the_week_have_the_numbers_of_the_contract() -> None:
    assert [(day("2026-11-14") + timedelta(days=days)).isoweekday() for days in (0, 1)] == [SATURDAY, SUNDAY]
