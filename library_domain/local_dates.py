"""Dates as a library counts them: local dates in an IANA time zone. Times are microseconds since 1970.

A zone's clock can skip midnight, repeat the last hour of a date, or skip a whole date. So nothing here computes with
midnights or with days of 24 hours.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from google.protobuf.message import Message
from google.type.date_pb2 import Date

from service_kit.clock import DAY, FIRST_TIME, LAST_TIME, SECOND

# The fold chooses the later of two equal local times. Of a local time that the clock skips, it makes the last second
# before the clock moved: Asia/Pyongyang, 2018-05-04 23:59:59, is 23:29:59 (PEP 495).
LAST_SECOND_OF_A_DATE = time(23, 59, 59, fold=1)
ONE_DAY = timedelta(days=1)
# Python's dates are those of the years 1 to 9999. Ten years at both ends are left for what rules add and search.
FIRST_DATED_TIME = FIRST_TIME + 3_653 * DAY
LAST_DATED_TIME = LAST_TIME - 3_653 * DAY
LAST_DUE_DATE = date(9990, 12, 31)


def time_zone_or_none(name: str) -> ZoneInfo | None:
    """Return the time zone of a name, or None where this machine knows no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # `America` is a folder, `../x` is not a name
        return None


@cache
def time_zone_names() -> frozenset[str]:
    """Return the names of all IANA time zones, as far as this machine knows them."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


def local_date(time_of: int, zone: ZoneInfo) -> date:
    """Return the local date of a time. A time before the year 11 or after 9989 has the first or last date between."""
    dated = min(max(time_of, FIRST_DATED_TIME), LAST_DATED_TIME)
    return datetime.fromtimestamp(dated // SECOND, zone).date()


def end_of_date(day: date, zone: ZoneInfo) -> int:
    """Return the time 23:59:59 of a local date.

    If the clock shows it twice, the later one; if the clock skips it, the last second that the clock shows on this
    date; if the clock skips the whole date, as Pacific/Apia did on 2011-12-30, the end of the next date. A date after
    the year 9990 ends with that year.
    """
    day = min(day, LAST_DUE_DATE)
    seconds = int(datetime.combine(day, LAST_SECOND_OF_A_DATE, zone).timestamp())
    if datetime.fromtimestamp(seconds, zone).date() != day:
        return end_of_date(day + ONE_DAY, zone)
    return seconds * SECOND


def date_of_message(message: Date) -> date:
    """Convert a whole date. Raises `ValueError` for a date that does not exist, or a date without a year or a day."""
    return date(message.year, message.month, message.day)


def optional_date(message: Message, field: str) -> date | None:
    """Return the date in a field of a message, or None if it is not set. Raises `ValueError`."""
    return date_of_message(getattr(message, field)) if message.HasField(field) else None


def last_date_before(time_of: int, zone: ZoneInfo) -> date:
    """Return the last local date that begins before a time: the last day of a membership that ends at that time."""
    return local_date(time_of - 1, zone)


def date_message(day: date) -> Date:
    """Convert a date to the message."""
    return Date(year=day.year, month=day.month, day=day.day)
