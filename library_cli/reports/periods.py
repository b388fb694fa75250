"""Dates of a command line as times: the local dates of a time zone."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import click
from google.protobuf.timestamp_pb2 import Timestamp

from library_domain.local_dates import ONE_DAY, end_of_date, local_date
from service_kit.clock import SECOND, system_clock, timestamp

FIRST_DATE, LAST_DATE = date(11, 1, 1), date(9989, 12, 31)
"""Dates that have a time in each zone."""


def start_of(day: date, zone: ZoneInfo) -> Timestamp:
    """Return the first time of a date, also where the clock skips midnight."""
    return timestamp(end_of_date(day - ONE_DAY, zone) + SECOND)


def period(since: date | None, until: date | None, zone: ZoneInfo) -> dict[str, Timestamp]:
    """Return the filters for the loans that were made on these dates, both included."""
    for day in filter(None, (since, until)):
        if not FIRST_DATE <= day <= LAST_DATE:
            raise click.UsageError(f"{day} is not a date of the years 11 to 9989.")
    if since and until and until < since:
        raise click.UsageError(f"--until {until} is before --since {since}.")
    times = {"start_time": since and start_of(since, zone), "end_time": until and start_of(until + ONE_DAY, zone)}
    return {name: time for name, time in times.items() if time}


def days_from_now(days: int, zone: ZoneInfo) -> tuple[Timestamp, Timestamp]:
    """Return the time now, and the first time after the date that is `days` after today."""
    now = system_clock()
    return timestamp(now), start_of(local_date(now, zone) + timedelta(days=days + 1), zone)
