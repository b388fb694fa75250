"""Section 7 of the agreement: what a late return costs.

F28, F33 and F35 need the ledger and the store; what of them is a pure rule is here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from frontend_server.circulation.circulation_rule import CirculationRule, FineChargedAt
from frontend_server.circulation.fines import days_late, fine_so_far, periods_charged
from library_domain.calendars import ALWAYS_OPEN, Calendar
from tests.support.lending_terms import (
    BERLIN,
    CLOSED_SUNDAYS,
    TWENTY_CENTS,
    at,
    branch_in,
    closed,
    opened,
    shut,
)

WEEKEND = Calendar(weekly_closed_days=frozenset({6, 7}))
EUR = 1_000_000_000
DUE = "2026-11-13 23:59:59"


def fine(
    back: str,
    due: str = DUE,
    calendar: Calendar = CLOSED_SUNDAYS,
    zone: str = BERLIN,
    caps: dict[str, int] | None = None,
    **terms: Any,
) -> int:
    rule = replace(TWENTY_CENTS, **terms)
    return fine_so_far(rule, branch_in(zone, calendar), at(due, zone), at(back, zone), **(caps or {}))


OPEN_ONLY = {"skip_closed_days": True}
EXAMPLES: list[tuple[str, str, Calendar, dict[str, Any], int]] = [
    ("F1", "2026-11-13 23:59:59", CLOSED_SUNDAYS, {}, 0),
    ("F1, half a second later", "2026-11-13 23:59:59.5", CLOSED_SUNDAYS, {}, 0),
    ("F2", "2026-11-14 00:00", CLOSED_SUNDAYS, {}, 20),
    ("F3", "2026-11-16 10:00", CLOSED_SUNDAYS, {}, 60),
    ("F4", "2026-11-16 10:00", WEEKEND, OPEN_ONLY, 20),
    ("F5, all days", "2026-11-20 10:00", WEEKEND, {}, 140),
    ("F5, open days only", "2026-11-20 10:00", WEEKEND, OPEN_ONLY, 100),
    ("F6", "2026-11-16 10:00", CLOSED_SUNDAYS, {"grace_days": 3}, 0),
    ("F7, included", "2026-11-17 10:00", CLOSED_SUNDAYS, {"grace_days": 3}, 80),
    ("F7, excluded", "2026-11-17 10:00", CLOSED_SUNDAYS, {"grace_days": 3, "grace_excluded": True}, 20),
    ("F11", "2026-12-23 10:00", CLOSED_SUNDAYS, {"fine_cap": 5 * EUR}, 500),
    ("F13, unset", "2026-12-23 10:00", CLOSED_SUNDAYS, {"fine_cap": None}, 800),
    ("F13, 0", "2026-12-23 10:00", CLOSED_SUNDAYS, {"fine_cap": 0}, 0),
    ("F25", "2026-11-13 18:00", CLOSED_SUNDAYS, {}, 0),
    ("before it was due", "2026-10-01 10:00", CLOSED_SUNDAYS, {}, 0),
    ("before it was due, open days only", "2026-10-01 10:00", CLOSED_SUNDAYS, OPEN_ONLY, 0),
    ("no fine", "2026-12-23 10:00", CLOSED_SUNDAYS, {"fine_rate": 0}, 0),
    ("no currency", "2026-12-23 10:00", CLOSED_SUNDAYS, {"fine_rate": 0, "currency": ""}, 0),
    (
        "an exception is charged",
        "2026-11-15 10:00",
        replace(WEEKEND, exceptions=(opened("2026-11-15"),)),
        OPEN_ONLY,
        20,
    ),
    (
        "an exception is not charged",
        "2026-11-17 10:00",
        replace(WEEKEND, exceptions=(shut("2026-11-16"),)),
        OPEN_ONLY,
        20,
    ),
    ("back on a closed day", "2026-11-15 10:00", WEEKEND, OPEN_ONLY, 0),
    (
        "a closed range",
        "2026-12-01 10:00",
        Calendar(closed_ranges=(closed("2026-11-14", "2026-11-30"),)),
        OPEN_ONLY,
        20,
    ),
    ("grace of open days", "2026-11-18 10:00", WEEKEND, {**OPEN_ONLY, "grace_days": 2}, 60),
    ("grace used up to the last day", "2026-11-17 10:00", WEEKEND, {**OPEN_ONLY, "grace_days": 2}, 0),
    ("over a year end", "2027-01-02 10:00", CLOSED_SUNDAYS, {}, 1_000),
    ("over two years, open days only", "2028-11-13 10:00", CLOSED_SUNDAYS, OPEN_ONLY, (731 - 105) * 20),
]


@pytest.mark.parametrize(
    ("back", "calendar", "terms", "expected"), [row[1:] for row in EXAMPLES], ids=[row[0] for row in EXAMPLES]
)
def test_a_loan_that_was_due_on_friday_the_13th(
    back: str, calendar: Calendar, terms: dict[str, Any], expected: int
) -> None:
    assert fine(back, calendar=calendar, **terms) == expected


START, END = FineChargedAt.START, FineChargedAt.END
PERIODS = [(days, START, weeks) for days, weeks in ((0, 0), (1, 1), (7, 1), (8, 2), (14, 2), (15, 3))]
PERIODS += [(days, END, weeks) for days, weeks in ((0, 0), (1, 0), (6, 0), (7, 1), (8, 1), (14, 2), (15, 2))]


@pytest.mark.parametrize(("days", "charged_at", "weeks"), PERIODS)
def test_F8_a_period_is_charged_at_its_start_or_at_its_end(days: int, charged_at: FineChargedAt, weeks: int) -> None:
    rule = CirculationRule(fine_rate=EUR, fine_period_days=7, fine_charged_at=charged_at)
    assert periods_charged(rule, days) == weeks


@pytest.mark.parametrize(("days", "periods"), [(3, 0), (4, 1), (10, 1), (11, 2)])
def test_grace_that_is_excluded_shifts_the_periods(days: int, periods: int) -> None:
    rule = CirculationRule(fine_period_days=7, grace_days=3, grace_excluded=True)
    assert periods_charged(rule, days) == periods


LATE = [
    ("F15", BERLIN, "2026-10-24 23:59:59", "2026-10-25 23:30", 1),
    ("a day of 23 hours", BERLIN, "2026-03-28 23:59:59", "2026-03-29 23:59:59", 1),
    ("no midnight", "America/Santiago", "2026-09-05 23:59:59", "2026-09-06 01:00", 1),
    ("no midnight, three days", "America/Santiago", "2026-09-04 23:59:59", "2026-09-07 00:00", 3),
    ("the last hour of the date twice", "America/Santiago", "2026-04-04 23:59:59", "2026-04-05 00:00", 1),
    ("Sao Paulo", "America/Sao_Paulo", "2018-11-02 23:59:59", "2018-11-04 01:00", 2),
    ("Cairo", "Africa/Cairo", "2026-04-23 23:59:59", "2026-04-24 01:00", 1),
    ("Lord Howe", "Australia/Lord_Howe", "2026-10-03 23:59:59", "2026-10-04 02:30", 1),
    ("Kathmandu", "Asia/Kathmandu", "2026-11-13 23:59:59", "2026-11-14 00:00", 1),
    ("St John's, not late yet", "America/St_Johns", "2006-10-28T23:59:59-03:30", "2006-10-29T00:00:30-02:30", 0),
    ("St John's", "America/St_Johns", "2006-10-28T23:59:59-03:30", "2006-10-29T00:00-03:30", 1),
    ("leap day", "UTC", "2028-02-28 23:59:59", "2028-03-01 00:00", 2),
    ("by hours, back on the same date", BERLIN, "2026-11-13 12:00", "2026-11-13 23:59:59.999999", 0),
    ("by hours, back on the next date", BERLIN, "2026-11-13 23:00", "2026-11-14 00:00", 1),
]


@pytest.mark.parametrize(("zone", "due", "back", "days"), [row[1:] for row in LATE], ids=[row[0] for row in LATE])
def test_local_dates_are_counted_and_never_midnights(zone: str, due: str, back: str, days: int) -> None:
    assert days_late(TWENTY_CENTS, branch_in(zone), at(due, zone), at(back, zone)) == days


def test_F18_a_closed_due_day_never_counts() -> None:
    assert fine("2026-11-17 10:00", due="2026-11-15 23:59:59", skip_closed_days=True) == 40
    assert fine("2026-11-17 10:00", due="2026-11-15 23:59:59") == 40


def test_F28_what_is_assessed_again_is_the_difference() -> None:
    on_day_11 = fine("2026-11-24 10:00")
    on_day_18 = fine("2026-12-01 10:00")
    assert (on_day_11, on_day_18 - on_day_11) == (220, 140)


def test_F33_a_fine_that_is_computed_twice_is_the_same() -> None:
    """So the difference is 0. Which of two desks ends the loan is decided in the store."""
    assert fine("2026-11-16 10:00") - fine("2026-11-16 10:00") == 0


def test_F35_a_loss_that_is_found_late_costs_the_days_to_then_up_to_the_cap() -> None:
    """Price and processing fee are other charges of the ledger: 5.00, 15.00 and 3.00."""
    assert days_late(TWENTY_CENTS, branch_in(), at(DUE), at("2026-12-12 03:00")) == 29
    assert fine("2026-12-12 03:00", fine_cap=5 * EUR) == 500


CAPS: list[tuple[dict[str, Any], dict[str, int], int]] = [
    ({}, {"price_cap": 3 * EUR}, 300),
    ({"fine_cap": 5 * EUR}, {"price_cap": 3 * EUR}, 300),
    ({"fine_cap": 5 * EUR}, {"price_cap": 30 * EUR}, 500),
    ({"fine_cap": 5 * EUR}, {"price_cap": 0}, 0),
    ({"fine_cap": 5 * EUR}, {"left_of_user_cap": 120}, 120),
    ({"fine_cap": 1 * EUR}, {"left_of_user_cap": 120}, 100),
    ({}, {"left_of_user_cap": 0}, 0),
    ({}, {"left_of_user_cap": -100}, 0),
    ({"fine_cap": 5 * EUR}, {"assessed_before": 80}, 420),
    ({"fine_cap": 5 * EUR}, {"assessed_before": 600}, 0),
    ({}, {"assessed_before": 600, "price_cap": 7 * EUR}, 100),
    ({}, {"assessed_before": 600}, 800),
    ({}, {"assessed_before": 600, "left_of_user_cap": 50}, 50),
]


@pytest.mark.parametrize(("terms", "caps", "expected"), CAPS)
def test_the_least_cap_counts(terms: dict[str, Any], caps: dict[str, int], expected: int) -> None:
    assert fine("2026-12-23 10:00", caps=caps, **terms) == expected


@pytest.mark.parametrize(
    ("currency", "rate", "days", "expected"),
    [
        ("EUR", 125_000_000, 1, 13),  # half a cent is rounded up
        ("EUR", 124_999_999, 1, 12),
        ("EUR", 125_000_000, 3, 38),  # 0.375, rounded once: three times 0.13 would be 0.39
        ("EUR", 333_333_333, 3, 100),
        ("EUR", 1, 4, 0),
        ("JPY", 20_000_000_000, 3, 60),
        ("JPY", 500_000_000, 3, 2),
        ("KWD", 200_000_000, 3, 600),
        ("KWD", 500_000, 1, 1),
    ],
)
def test_a_fine_is_rounded_once_at_the_end(currency: str, rate: int, days: int, expected: int) -> None:
    rule = CirculationRule(currency=currency, fine_rate=rate)
    back = at(f"2026-11-{13 + days} 10:00")
    assert fine_so_far(rule, branch_in(calendar=ALWAYS_OPEN), at(DUE), back) == expected
