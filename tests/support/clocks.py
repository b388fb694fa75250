"""A clock that a test sets."""

from __future__ import annotations

from service_kit.clock import DAY, SECOND


class SettableClock:
    """A `service_kit.clock.Clock` that shows the time that a test sets. `now` is in microseconds since 1970."""

    def __init__(self, now: int = 1_800_000_000 * SECOND) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, *, days: float = 0, seconds: float = 0) -> None:
        """Move on by these days and seconds; below zero, back."""
        self.now += round(days * DAY + seconds * SECOND)


def end_of_day(now: int, days: int = 0) -> int:
    """Return the last second of the date that comes `days` days after that of a time, in UTC."""
    return (now // DAY + days + 1) * DAY - SECOND
