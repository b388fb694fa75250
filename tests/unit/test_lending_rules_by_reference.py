"""Random rules, calendars, zones and times: the rules agree with plain ones that walk from date to date."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontend_server.circulation.circulation_rule import CirculationRule, DueMode, FineChargedAt, RenewFrom
from frontend_server.circulation.due_times import checkout_due_time
from frontend_server.circulation.fines import fine_so_far
from frontend_server.circulation.lending_branch import LendingBranch
from frontend_server.circulation.renewals import OpenLoan, renewal_due_time
from library_domain.calendars import Calendar, ClosedRange, ExceptionalDay
from library_domain.local_dates import end_of_date, local_date
from service_kit.clock import DAY
from tests.support import plain_rules

ZONES = [
    "Africa/Cairo",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "UTC",
]
# Around clock changes at midnight, a skipped date, leap days and year ends.
TURNS = [
    *(date(2006, 10, 28), date(2011, 12, 29), date(2018, 5, 3), date(2018, 11, 3), date(2026, 3, 28), date(2026, 4, 3)),
    *(date(2026, 9, 5), date(2026, 10, 24), date(2026, 12, 24), date(2028, 2, 28), date(2100, 2, 27)),
]
DAYS_NEAR = st.integers(-40, 40).map(lambda days: timedelta(days=days))


@st.composite
def branches(draw: st.DrawFn, turn: date) -> LendingBranch:
    near = DAYS_NEAR.map(lambda days: turn + days)
    ranges = st.builds(
        lambda first, length: ClosedRange(first, first + timedelta(days=length)), near, st.sampled_from([0, 3, 30, 500])
    )
    exceptions = st.builds(ExceptionalDay, near, st.booleans())
    calendar = Calendar(
        weekly_closed_days=draw(st.frozensets(st.integers(1, 7))),
        yearly_closed_days=draw(st.frozensets(near.map(lambda day: (day.month, day.day)), max_size=8)),
        closed_ranges=tuple(draw(st.lists(ranges, max_size=2))),
        exceptions=tuple(draw(st.lists(exceptions, max_size=6, unique_by=lambda each: each.date))),
    )
    return LendingBranch("main", ZoneInfo(draw(st.sampled_from(ZONES))), calendar)


@st.composite
def terms(draw: st.DrawFn, turn: date) -> CirculationRule:
    term_date = st.none() | DAYS_NEAR.map(lambda days: turn + days)
    return CirculationRule(
        loan_days=draw(st.sampled_from([1, 2, 7, 13, 14, 28, 60])),
        due_mode=draw(st.sampled_from(DueMode)),
        renewal_days=draw(st.sampled_from([None, 1, 14])),
        renew_from=draw(st.sampled_from(RenewFrom)),
        term_ceiling_date=draw(term_date),
        term_floor_date=draw(term_date),
        term_fixed_date=draw(st.none() | st.none() | term_date),
        currency="EUR",
        fine_rate=draw(st.sampled_from([0, 1, 125_000_000, 200_000_000, 333_333_333])),
        fine_period_days=draw(st.sampled_from([1, 2, 7])),
        fine_charged_at=draw(st.sampled_from(FineChargedAt)),
        grace_days=draw(st.sampled_from([0, 1, 3])),
        grace_excluded=draw(st.booleans()),
        skip_closed_days=draw(st.booleans()),
        fine_cap=draw(st.sampled_from([None, 0, 5_000_000_000])),
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[LendingBranch, CirculationRule, int, int]:
    """Draw a branch, a rule, the time of a check-out, and how much later something happens."""
    turn = draw(st.sampled_from(TURNS))
    branch, rule = draw(branches(turn)), draw(terms(turn))
    now = end_of_date(turn + draw(DAYS_NEAR), branch.zone) + draw(
        st.sampled_from([-1, 0, 1, 1_000_000, 3_600_000_000, 37_000_000_000])
    )
    later = draw(st.integers(-5, 60)) * DAY + draw(st.sampled_from([-1_800_000_000, 0, 1, 3_600_000_000]))
    return branch, rule, now, later


QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LONG = settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CASES = given(cases(), st.sampled_from([0, 0, 3, 21]), st.none() | st.integers(-3, 40))


def check(case: tuple[LendingBranch, CirculationRule, int, int], days: int, member_days: int | None) -> None:
    branch, rule, now, later = case
    today = local_date(now, branch.zone)
    membership_end = None if member_days is None else today + timedelta(days=member_days)
    due = checkout_due_time(rule, branch, now, days, membership_end)
    plain = plain_rules.loan_due(rule, branch.calendar, branch.zone, now, days, membership_end)
    assert due.time == plain
    steps = [(shift.from_date, shift.to_date) for shift in due.shifts]
    assert all(before[1] == after[0] for before, after in pairwise(steps))
    assert all(shift.reason for shift in due.shifts)
    loan = OpenLoan("l", now, due.time, 0)
    then = due.time + later
    new = renewal_due_time(rule, branch, loan, then)
    assert new.time == plain_rules.renewal_due(rule, branch.calendar, branch.zone, due.time, then)
    charged = fine_so_far(rule, branch, due.time, then)
    assert charged == plain_rules.fine(rule, branch.calendar, branch.zone, due.time, then)
    assert 0 <= charged <= fine_so_far(rule, branch, due.time, then + DAY)
    assert charged <= fine_so_far(replace(rule, skip_closed_days=False), branch, due.time, then)


@QUICK
@CASES
def test_some_random_cases(
    case: tuple[LendingBranch, CirculationRule, int, int], days: int, member_days: int | None
) -> None:
    check(case, days, member_days)


@pytest.mark.slow
@LONG
@CASES
def test_many_random_cases(
    case: tuple[LendingBranch, CirculationRule, int, int], days: int, member_days: int | None
) -> None:
    check(case, days, member_days)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZONES)
def test_each_date_of_some_years_ends_when_the_clock_says_so(name: str) -> None:
    zone = ZoneInfo(name)
    for year in (2011, 2026):
        day = date(year, 1, 1)
        while day.year == year:
            assert end_of_date(day, zone) == plain_rules.micros(plain_rules.last_second(day, zone)), day
            day += timedelta(days=1)
