"""A branch as the lending rules see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from library_domain.calendars import ALWAYS_OPEN, Calendar
from library_domain.local_dates import end_of_date, local_date


@dataclass(frozen=True)
class LendingBranch:
    """The branch that lends: its clock and its calendar. All dates of a loan are local dates of this branch."""

    code: str
    zone: ZoneInfo
    calendar: Calendar = ALWAYS_OPEN

    def date_of(self, time: int) -> date:
        """Return the local date of a time in microseconds since 1970."""
        return local_date(time, self.zone)

    def end_of(self, day: date) -> int:
        """Return the time of 23:59:59 of a local date, in microseconds since 1970."""
        return end_of_date(day, self.zone)
