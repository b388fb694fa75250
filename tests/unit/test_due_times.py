"""Section 5 of the agreement: when a loan is due. The examples have the names that they have there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from frontend_server.circulation.circulation_rule import CirculationRule, DueMode
from frontend_server.circulation.due_times import (
    DueTime,
    ShiftKind,
    checkout_due_time,
    due_time_passed,
    is_membership_over,
    loan_too_long,
)
from library_domain.calendars import ALWAYS_OPEN, Calendar
from service_kit.clock import FIRST_TIME, LAST_TIME
from tests.support.lending_terms import (
    BERLIN,
    CHRISTMAS,
    CLOSED_SUNDAYS,
    at,
    branch_in,
    closed,
    day,
    local,
    opened,
    shut,
)

IGNORE, NEXT_OPEN, PREV_OPEN = DueMode.IGNORE, DueMode.NEXT_OPEN, DueMode.PREV_OPEN
COUNT_OPEN, SAME_WEEKDAY = DueMode.COUNT_OPEN, DueMode.SAME_WEEKDAY


def due(
    lent: str,
    days: int = 14,
    mode: DueMode = IGNORE,
    *,
    zone: str = BERLIN,
    calendar: Calendar = CLOSED_SUNDAYS,
    membership_end: str = "",
    **terms: Any,
) -> DueTime:
    rule = CirculationRule(loan_days=days, due_mode=mode, **terms)
    last_date = day(membership_end) if membership_end else None
    return checkout_due_time(rule, branch_in(zone, calendar), at(lent, zone), membership_end=last_date)


def due_date(*args: Any, **kwargs: Any) -> str:
    shown = local(due(*args, **kwargs).time, kwargs.get("zone", BERLIN))
    assert shown[11:19] == "23:59:59"
    return shown[:10]


DAYS = [
    # D1 to D9 are examples of the agreement; the others are more of their kinds.
    ("D1", "2026-11-02 10:00", 14, BERLIN, "2026-11-16 23:59:59+01:00"),
    ("D2", "2026-03-20 14:00", 14, BERLIN, "2026-04-03 23:59:59+02:00"),
    ("clocks back", "2026-10-20 14:00", 14, BERLIN, "2026-11-03 23:59:59+01:00"),
    ("D4", "2026-11-02T23:30+00:00", 1, BERLIN, "2026-11-04 23:59:59+01:00"),
    ("before midnight", "2026-11-02T22:59:59.999999+00:00", 1, BERLIN, "2026-11-03 23:59:59+01:00"),
    ("at midnight", "2026-11-02T23:00+00:00", 1, BERLIN, "2026-11-04 23:59:59+01:00"),
    ("D7", "2026-08-23 10:00", 14, "America/Santiago", "2026-09-06 23:59:59-03:00"),
    ("D9", "2028-02-22 10:00", 7, BERLIN, "2028-02-29 23:59:59+01:00"),
    ("no leap year", "2027-02-22 10:00", 7, BERLIN, "2027-03-01 23:59:59+01:00"),
    ("not leap: 2100", "2100-02-22 10:00", 7, BERLIN, "2100-03-01 23:59:59+01:00"),
    ("year end", "2026-12-25 10:00", 14, BERLIN, "2027-01-08 23:59:59+01:00"),
    ("a year", "2027-03-01 10:00", 365, BERLIN, "2028-02-29 23:59:59+01:00"),
    (
        "Santiago: the last hour of the date twice",
        "2026-03-21 10:00",
        14,
        "America/Santiago",
        "2026-04-04 23:59:59-04:00",
    ),
    ("Cairo: no midnight", "2026-04-17 10:00", 7, "Africa/Cairo", "2026-04-24 23:59:59+03:00"),
    ("Cairo: the last hour of the date twice", "2026-10-22 10:00", 7, "Africa/Cairo", "2026-10-29 23:59:59+02:00"),
    ("Sao Paulo: no midnight", "2018-10-21 10:00", 14, "America/Sao_Paulo", "2018-11-04 23:59:59-02:00"),
    ("Sao Paulo: the last hour twice", "2018-02-03 10:00", 14, "America/Sao_Paulo", "2018-02-17 23:59:59-03:00"),
    ("Lord Howe: half an hour", "2026-10-03 10:00", 1, "Australia/Lord_Howe", "2026-10-04 23:59:59+11:00"),
    ("Lord Howe: back", "2026-04-04 10:00", 1, "Australia/Lord_Howe", "2026-04-05 23:59:59+10:30"),
    ("St John's: midnight twice", "2006-10-27 10:00", 1, "America/St_Johns", "2006-10-28 23:59:59-03:30"),
    ("Kathmandu", "2026-11-02T18:14:59+00:00", 1, "Asia/Kathmandu", "2026-11-03 23:59:59+05:45"),
    ("Kathmandu, a second later", "2026-11-02T18:15+00:00", 1, "Asia/Kathmandu", "2026-11-04 23:59:59+05:45"),
    ("Apia: a date without a day", "2011-12-28 10:00", 2, "Pacific/Apia", "2011-12-31 23:59:59+14:00"),
    ("Apia: over it", "2011-12-28 10:00", 3, "Pacific/Apia", "2011-12-31 23:59:59+14:00"),
    ("Pyongyang: the last half hour is missing", "2018-05-03 10:00", 1, "Asia/Pyongyang", "2018-05-04 23:29:59+08:30"),
    ("Kiritimati", "2026-11-02T09:59:59+00:00", 1, "Pacific/Kiritimati", "2026-11-03 23:59:59+14:00"),
    ("before 1970", "1969-12-30 10:00", 1, "UTC", "1969-12-31 23:59:59+00:00"),
]


@pytest.mark.parametrize(("lent", "days", "zone", "expected"), [row[1:] for row in DAYS], ids=[row[0] for row in DAYS])
def test_a_loan_is_due_at_the_end_of_a_local_date(lent: str, days: int, zone: str, expected: str) -> None:
    found = due(lent, days, zone=zone)
    assert local(found.time, zone) == expected
    assert found.time % 1_000_000 == 0
    assert found.shifts == ()


ADVENT = replace(CLOSED_SUNDAYS, exceptions=(opened("2026-12-13", "Advent"),))
SHUT_WEDNESDAY = replace(CLOSED_SUNDAYS, exceptions=(shut("2026-11-18"),))
SUMMER = replace(CLOSED_SUNDAYS, closed_ranges=(closed("2026-07-20", "2026-08-02", "Summer"),))
OPEN_IN_SUMMER = replace(SUMMER, exceptions=(opened("2026-07-22"),))
WEEKEND = Calendar(weekly_closed_days=frozenset({6, 7}))
LEAP_DAY = Calendar(yearly_closed_days=frozenset({(2, 29)}))

CLOSED_DAYS = [
    ("C1", "2026-12-10", 14, IGNORE, CHRISTMAS, "2026-12-24"),
    ("C2", "2026-12-10", 14, NEXT_OPEN, CHRISTMAS, "2026-12-28"),
    ("C3", "2026-12-10", 14, PREV_OPEN, CHRISTMAS, "2026-12-23"),
    ("C4", "2026-12-10", 14, COUNT_OPEN, CHRISTMAS, "2026-12-30"),
    ("C5", "2026-12-10", 14, SAME_WEEKDAY, CHRISTMAS, "2027-01-07"),
    ("C7", "2026-12-06", 7, NEXT_OPEN, ADVENT, "2026-12-13"),
    ("open already", "2026-11-02", 14, NEXT_OPEN, CLOSED_SUNDAYS, "2026-11-16"),
    ("Sunday to Monday", "2026-11-02", 13, NEXT_OPEN, CLOSED_SUNDAYS, "2026-11-16"),
    ("Sunday to Saturday", "2026-11-02", 13, PREV_OPEN, CLOSED_SUNDAYS, "2026-11-14"),
    ("an exception closes", "2026-11-04", 14, NEXT_OPEN, SHUT_WEDNESDAY, "2026-11-19"),
    ("back over a weekend", "2026-11-03", 12, PREV_OPEN, WEEKEND, "2026-11-13"),
    ("to the end of a range", "2026-07-10", 14, NEXT_OPEN, SUMMER, "2026-08-03"),
    ("back before a range and a Sunday", "2026-07-10", 14, PREV_OPEN, SUMMER, "2026-07-18"),
    ("an exception opens a range", "2026-07-10", 11, NEXT_OPEN, OPEN_IN_SUMMER, "2026-07-22"),
    ("back to the day of the loan", "2026-11-07", 1, PREV_OPEN, CLOSED_SUNDAYS, "2026-11-07"),
    ("over the year end", "2026-12-20", 11, NEXT_OPEN, CHRISTMAS, "2027-01-02"),
    ("count over a Sunday", "2026-11-07", 1, COUNT_OPEN, CLOSED_SUNDAYS, "2026-11-09"),
    ("count from a closed day", "2026-11-08", 1, COUNT_OPEN, CLOSED_SUNDAYS, "2026-11-09"),
    ("count two weeks", "2026-11-02", 12, COUNT_OPEN, CLOSED_SUNDAYS, "2026-11-16"),
    ("count over a range", "2026-07-18", 2, COUNT_OPEN, SUMMER, "2026-08-04"),
    ("whole weeks", "2026-11-04", 14, SAME_WEEKDAY, SHUT_WEDNESDAY, "2026-11-25"),
    ("no whole weeks", "2026-11-04", 13, SAME_WEEKDAY, SHUT_WEDNESDAY, "2026-11-17"),
    ("no whole weeks, closed", "2026-11-05", 13, SAME_WEEKDAY, SHUT_WEDNESDAY, "2026-11-19"),
    ("a weekly closed weekday", "2026-11-01", 14, SAME_WEEKDAY, CLOSED_SUNDAYS, "2026-11-16"),
    ("a weekly closed weekday that is open", "2026-12-06", 7, SAME_WEEKDAY, ADVENT, "2026-12-13"),
    ("weeks over a range", "2026-07-08", 14, SAME_WEEKDAY, SUMMER, "2026-08-05"),
    ("29 February is closed", "2028-02-22", 7, NEXT_OPEN, LEAP_DAY, "2028-03-01"),
    ("28 February in no leap year", "2027-02-21", 7, NEXT_OPEN, LEAP_DAY, "2027-02-28"),
]


@pytest.mark.parametrize(
    ("lent", "days", "mode", "calendar", "expected"),
    [row[1:] for row in CLOSED_DAYS],
    ids=[row[0] for row in CLOSED_DAYS],
)
def test_the_due_mode_moves_the_date(lent: str, days: int, mode: DueMode, calendar: Calendar, expected: str) -> None:
    assert due_date(f"{lent} 10:00", days, mode, calendar=calendar) == expected


CLOSED_FOR_YEARS = Calendar(closed_ranges=(closed("2026-11-10", "2029-12-31"),))


@pytest.mark.parametrize("mode", DueMode)
def test_a_search_without_an_open_day_ends_and_leaves_the_date(mode: DueMode) -> None:
    if mode is PREV_OPEN:
        assert due_date("2028-05-02 10:00", 14, mode, calendar=CLOSED_FOR_YEARS) == "2028-05-16"
    else:
        assert due_date("2026-11-09 10:00", 14, mode, calendar=CLOSED_FOR_YEARS) == "2026-11-23"


def test_a_search_ends_after_366_dates() -> None:
    calendar = Calendar(closed_ranges=(closed("2026-11-16", "2027-11-15"),))
    assert due_date("2026-11-02 10:00", 14, NEXT_OPEN, calendar=calendar) == "2027-11-16"
    calendar = Calendar(closed_ranges=(closed("2026-11-16", "2027-11-16"),))
    assert due_date("2026-11-02 10:00", 14, NEXT_OPEN, calendar=calendar) == "2026-11-16"


TERMS = [
    ("T1", "2027-01-20", 28, NEXT_OPEN, {"term_ceiling_date": "2027-01-31"}, "2027-01-30"),
    ("T3", "2026-11-02", 28, NEXT_OPEN, {"membership_end": "2026-11-15"}, "2026-11-14"),
    ("ceiling on an open day", "2027-01-20", 28, NEXT_OPEN, {"term_ceiling_date": "2027-01-29"}, "2027-01-29"),
    ("ceiling that is not reached", "2027-01-20", 9, IGNORE, {"term_ceiling_date": "2027-01-30"}, "2027-01-29"),
    ("ceiling on the date", "2027-01-17", 14, IGNORE, {"term_ceiling_date": "2027-01-31"}, "2027-01-31"),
    (
        "ceiling that the next open day passes",
        "2027-01-17",
        14,
        NEXT_OPEN,
        {"term_ceiling_date": "2027-01-31"},
        "2027-01-30",
    ),
    ("floor", "2026-11-02", 3, IGNORE, {"term_floor_date": "2026-12-14"}, "2026-12-14"),
    ("floor on a closed day", "2026-11-02", 3, NEXT_OPEN, {"term_floor_date": "2026-12-13"}, "2026-12-14"),
    ("floor before the date", "2026-11-02", 14, IGNORE, {"term_floor_date": "2026-11-15"}, "2026-11-16"),
    (
        "floor after ceiling",
        "2026-11-02",
        28,
        IGNORE,
        {"term_ceiling_date": "2026-11-10", "term_floor_date": "2026-11-12"},
        "2026-11-12",
    ),
    ("fixed", "2026-11-02", 14, NEXT_OPEN, {"term_fixed_date": "2027-01-31"}, "2027-01-31"),
    (
        "fixed is last",
        "2026-11-02",
        28,
        IGNORE,
        {"term_ceiling_date": "2026-11-10", "term_fixed_date": "2026-12-01"},
        "2026-12-01",
    ),
    (
        "membership before fixed",
        "2026-11-02",
        14,
        IGNORE,
        {"term_fixed_date": "2027-01-31", "membership_end": "2026-11-27"},
        "2026-11-27",
    ),
    ("membership ends on the date", "2026-11-02", 13, IGNORE, {"membership_end": "2026-11-15"}, "2026-11-15"),
    ("membership ends today", "2026-11-02", 14, IGNORE, {"membership_end": "2026-11-02"}, "2026-11-02"),
]


@pytest.mark.parametrize(
    ("lent", "days", "mode", "terms", "expected"), [row[1:] for row in TERMS], ids=[row[0] for row in TERMS]
)
def test_term_and_membership_bound_the_date(
    lent: str, days: int, mode: DueMode, terms: dict[str, str], expected: str
) -> None:
    bounds: dict[str, Any] = {name: day(date) for name, date in terms.items() if name != "membership_end"}
    membership_end = terms.get("membership_end", "")
    assert due_date(f"{lent} 10:00", days, mode, membership_end=membership_end, **bounds) == expected


def test_T4_a_membership_that_ended_yesterday_is_refused_and_moves_no_due_date() -> None:
    branch, now = branch_in(), at("2026-11-16 00:00")
    assert is_membership_over(day("2026-11-15"), branch, now)
    assert not is_membership_over(day("2026-11-15"), branch, now - 1)
    assert not is_membership_over(day("2026-11-16"), branch, now)
    assert not is_membership_over(None, branch, now)
    assert due_date("2026-11-16 00:00", 14, membership_end="2026-11-15") == "2026-11-30"


HOURS = [
    ("H1", "2026-11-02 15:30", 4, BERLIN, "2026-11-02 19:30:00+01:00"),
    ("H2", "2026-10-24 15:30", 24, BERLIN, "2026-10-25 14:30:00+01:00"),
    ("clocks forward", "2026-03-28 15:30", 24, BERLIN, "2026-03-29 16:30:00+02:00"),
    ("to a closed day", "2026-11-07 22:00", 4, BERLIN, "2026-11-08 02:00:00+01:00"),
    ("Lord Howe", "2026-10-03 20:00", 12, "Australia/Lord_Howe", "2026-10-04 08:30:00+11:00"),
    ("Apia", "2011-12-29 12:00", 24, "Pacific/Apia", "2011-12-31 12:00:00+14:00"),
]


@pytest.mark.parametrize(
    ("lent", "hours", "zone", "expected"), [row[1:] for row in HOURS], ids=[row[0] for row in HOURS]
)
def test_hours_elapse(lent: str, hours: int, zone: str, expected: str) -> None:
    rule = CirculationRule(loan_hours=hours, due_mode=NEXT_OPEN, term_ceiling_date=day("2000-01-01"))
    found = checkout_due_time(rule, branch_in(zone), at(lent, zone))
    assert (local(found.time, zone), found.shifts) == (expected, ())
    assert found.time == at(lent, zone) + hours * 3_600_000_000


def test_hours_end_with_the_membership() -> None:
    rule = CirculationRule(loan_hours=24)
    found = checkout_due_time(rule, branch_in(), at("2026-11-07 15:30"), membership_end=day("2026-11-07"))
    assert local(found.time) == "2026-11-07 23:59:59+01:00"
    assert [shift.kind for shift in found.shifts] == [ShiftKind.MEMBERSHIP_END]


def test_a_borrower_may_ask_for_other_days() -> None:
    rule = CirculationRule(loan_days=14, most_days=28)
    asked = [local(checkout_due_time(rule, branch_in(), at("2026-11-02 10:00"), days).time)[:10] for days in (0, 3, 28)]
    assert asked == ["2026-11-16", "2026-11-05", "2026-11-30"]
    assert [[refusal.reason for refusal in loan_too_long(rule, days)] for days in (0, 28, 29)] == [
        [],
        [],
        ["LOAN_TOO_LONG"],
    ]
    by_hours = CirculationRule(loan_hours=4, most_days=7)
    assert local(checkout_due_time(by_hours, branch_in(), at("2026-11-02 10:00"), 7).time)[:10] == "2026-11-09"


def test_each_shift_is_listed_with_its_reason() -> None:
    found = due("2026-12-10 10:00", 14, NEXT_OPEN, calendar=CHRISTMAS, term_ceiling_date=day("2026-12-27"))
    assert [(str(shift.from_date), shift.kind.name, str(shift.to_date), shift.reason) for shift in found.shifts] == [
        ("2026-12-24", "CLOSED_DAY", "2026-12-28", "closed each year on 12-24"),
        ("2026-12-28", "TERM_CEILING", "2026-12-27", "due on 2026-12-27 at the latest"),
        ("2026-12-27", "CLOSED_DAY", "2026-12-23", "closed on Sundays"),
    ]
    counted = due("2026-11-07 10:00", 1, COUNT_OPEN)
    assert [shift.reason for shift in counted.shifts] == ["1 open day after 2026-11-07"]


@pytest.mark.parametrize(
    ("now", "refused"),
    [
        ("2026-11-16 23:59:58.999999", False),
        ("2026-11-16 23:59:59", True),
        ("2026-11-16 23:59:59.000001", True),
    ],
)
def test_a_due_time_that_is_not_later_than_now_is_refused(now: str, refused: bool) -> None:
    found = due(now, 14, term_fixed_date=day("2026-11-16"))
    assert [refusal.reason for refusal in due_time_passed(found.time, at(now))] == ["DUE_TIME_PASSED"] * refused


@pytest.mark.parametrize("mode", DueMode)
@pytest.mark.parametrize("now", [FIRST_TIME, LAST_TIME])
def test_each_time_that_can_be_stored_has_a_due_time(mode: DueMode, now: int) -> None:
    rule = CirculationRule(loan_days=365, due_mode=mode, term_floor_date=day("9999-12-31"))
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        assert checkout_due_time(rule, branch_in(zone), now).time < LAST_TIME


def test_the_last_hour_of_a_date_that_comes_twice_is_not_late() -> None:
    """In Santiago the clock shows 23:00 to 23:59 of 2026-04-04 twice; the loan is due at the end of the second hour."""
    found = due("2026-04-03 10:00", 1, zone="America/Santiago", calendar=ALWAYS_OPEN)
    assert found.time == at("2026-04-05 00:00", "America/Santiago") - 1_000_000
