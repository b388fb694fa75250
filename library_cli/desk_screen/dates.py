"""Dates as the desk writes and reads them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf.timestamp_pb2 import Timestamp

from library.v1.loan_pb2 import Loan

LAST_SECOND = time(23, 59, 59)


class DateInvalid(ValueError):
    """A text is not a date that the desk reads."""


def due(loan: Loan) -> str:
    """Return when a loan is due, in the time zone of its branch: `Thu 2026-12-10`, by hours with the time."""
    return written(loan.due_time, loan.time_zone)


def written(moment: Timestamp, zone: str = "") -> str:
    """Return a time as a date with its weekday. The time of day follows unless it is the last second."""
    local = _local(moment, zone)
    day = f"{local:%a %Y-%m-%d}"
    return day if local.time().replace(microsecond=0) == LAST_SECOND else f"{day} {local:%H:%M}"


def last_day(end: Timestamp) -> str:
    """Return the last day before a time, as `2027-01-31`."""
    local = (end.ToDatetime(UTC) - timedelta(microseconds=1)).astimezone()
    return f"{local:%Y-%m-%d}"


def rfc3339(text: str) -> str:
    """Return a time of an error's metadata as a date for people; a text that is not a time unchanged."""
    moment = Timestamp()
    try:
        moment.FromJsonString(text)
    except ValueError:
        return text
    return written(moment)


def end_of_day(text: str, now: datetime) -> datetime:
    """Return the last second of a day, or the minute that the text names after it.

    Args:
        text: `2026-12-10`, `2026-12-10 18:00`, `today`, `yesterday` or `tomorrow`.
        now: The local time, with its zone.

    Raises:
        DateInvalid: The text is something other than that.
    """
    named = {"today": 0, "yesterday": -1, "tomorrow": 1}
    day_text, _, time_text = text.strip().lower().partition(" ")
    try:
        day = now.date() + timedelta(days=named[day_text]) if day_text in named else date.fromisoformat(day_text)
        clock = time.fromisoformat(time_text.strip()) if time_text else LAST_SECOND
    except ValueError:
        raise DateInvalid(f'"{text}" is not a date; write it as {now:%Y-%m-%d} or as {now:%Y-%m-%d} 18:00') from None
    # Of the zone of this machine on that day: the offset may differ from today's.
    return datetime.combine(day, clock).astimezone()


def timestamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment.astimezone(UTC))
    return made


def _local(moment: Timestamp, zone: str) -> datetime:
    utc = moment.ToDatetime(UTC)
    try:
        return utc.astimezone(ZoneInfo(zone) if zone else None)
    except (ZoneInfoNotFoundError, ValueError, OverflowError, OSError):
        return utc
