"""Times for people at the desk: in the time zone of this machine, and as days from now."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

from google.protobuf.timestamp_pb2 import Timestamp

DAY_SECONDS = 86_400


def local_time(time: Timestamp) -> str:
    """Return a time in the time zone of this machine, to the minute: `2026-12-06 14:05`."""
    return _written(time, "%Y-%m-%d %H:%M")


def zoned_time(time: Timestamp) -> str:
    """Return a time as `local_time` does, with the zone: `2026-12-06 14:05 CET`."""
    return _written(time, "%Y-%m-%d %H:%M %Z")


def midnight(day: date) -> Timestamp:
    """Return the beginning of a day in the time zone of this machine."""
    begin = Timestamp()
    begin.FromDatetime(datetime.combine(day, time_of_day.min).astimezone())
    return begin


def end_of_day(day: date) -> Timestamp:
    """Return the end of a day, which is the beginning of the next one, in the time zone of this machine."""
    return midnight(day + timedelta(days=1))


def _written(time: Timestamp, form: str) -> str:
    moment = time.ToDatetime(UTC)
    try:
        moment = moment.astimezone()
    except (OverflowError, OSError):  # near the ends of the calendar, the local time can be out of range
        return time.ToJsonString()
    return moment.strftime(form)


def days_until(time: Timestamp, now: datetime | None = None) -> str:
    """Return the time to a due time: `in 3 days`, `within a day`, `1 day late`. A part of a day counts as late."""
    now = now or datetime.now(UTC)
    due = time.ToDatetime(UTC)
    seconds = (due - now).total_seconds()
    if seconds < 0:
        return f"{counted(math.ceil(-seconds / DAY_SECONDS), 'day')} late"
    if seconds < DAY_SECONDS:
        return "within a day"
    try:
        # Dates, so that a loan made for 14 days is due in 14 days, in the morning and in the evening.
        days = (due.astimezone().date() - now.astimezone().date()).days
    except (OverflowError, OSError):  # near the ends of the calendar, the local time can be out of range
        days = round(seconds / DAY_SECONDS)
    return f"in {counted(days, 'day')}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 day`, `2,000 days`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
