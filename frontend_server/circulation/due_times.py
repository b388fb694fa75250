"""When a loan is due: pure functions of times in microseconds since 1970."""

from __future__ import annotations

from service_kit.clock import DAY


def loan_period(days: int) -> int:
    """Return the microseconds of a loan of `days` days. A day has 24 hours, also when the clocks change."""
    return days * DAY


def due_time(borrow_time: int, days: int) -> int:
    """Return when a loan that begins at `borrow_time` is due."""
    return borrow_time + loan_period(days)
