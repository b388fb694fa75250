"""Branches, rules and local times for the tests of the lending rules."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from frontend_server.circulation.circulation_rule import CirculationRule
from frontend_server.circulation.lending_branch import LendingBranch
from library_domain.calendars import Calendar, ClosedRange, ExceptionalDay
from service_kit.clock import SECOND

BERLIN = "Europe/Berlin"
SUNDAY = 7
CLOSED_SUNDAYS = Calendar(weekly_closed_days=frozenset({SUNDAY}))
CHRISTMAS = Calendar(
    weekly_closed_days=frozenset({SUNDAY}),
    yearly_closed_days=frozenset({(12, 24), (12, 25), (12, 26), (12, 31), (1, 1)}),
)
"""The calendar of the examples C1 to C5."""

TWENTY_CENTS = CirculationRule(currency="EUR", fine_rate=200_000_000)


def branch_in(zone: str = BERLIN, calendar: Calendar = CLOSED_SUNDAYS) -> LendingBranch:
    return LendingBranch("main", ZoneInfo(zone), calendar)


def at(text: str, zone: str = BERLIN) -> int:
    """Return a time in microseconds: `2026-11-02 10:00` local, or with an offset of its own."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return int(moment.replace(microsecond=0).timestamp()) * SECOND + moment.microsecond


def local(time: int, zone: str = BERLIN) -> str:
    """Return a time as the clock of the zone shows it, with its offset: `2026-11-16 23:59:59+01:00`."""
    return str(datetime.fromtimestamp(time // SECOND, ZoneInfo(zone)))


def day(text: str) -> date:
    return date.fromisoformat(text)


def closed(first: str, last: str, reason: str = "") -> ClosedRange:
    return ClosedRange(day(first), day(last), reason)


def opened(text: str, reason: str = "") -> ExceptionalDay:
    return ExceptionalDay(day(text), open=True, reason=reason)


def shut(text: str, reason: str = "") -> ExceptionalDay:
    return ExceptionalDay(day(text), open=False, reason=reason)
