"""Time in the stores: microseconds since 1970, UTC, so that both engines store and compare plain integers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

Clock = Callable[[], int]
"""Returns the time in microseconds since 1970. Rules take one as an argument, so that a test can set the time."""

SECOND = 1_000_000
DAY = 86_400 * SECOND


def system_clock() -> int:
    """Return the machine's time, in microseconds since 1970."""
    return time.time_ns() // 1_000


TIMESTAMP_SECONDS = range(-62_135_596_800, 253_402_300_800)
"""The years 1 to 9999 in seconds since 1970: the range of a Timestamp, by google/protobuf/timestamp.proto."""

FIRST_TIME, LAST_TIME = TIMESTAMP_SECONDS.start * SECOND, TIMESTAMP_SECONDS.stop * SECOND - 1
"""The same in microseconds."""


def is_time(value: object) -> bool:
    """Return whether a stored value is a time that can be shown."""
    return isinstance(value, int) and FIRST_TIME <= value <= LAST_TIME


def timestamp(micros: int) -> Timestamp:
    """Convert microseconds since 1970 to a Timestamp. Raises `ValueError` outside the years 1 to 9999."""
    if not FIRST_TIME <= micros <= LAST_TIME:
        raise ValueError(f"{micros} is not a time of the years 1 to 9999")
    seconds, rest = divmod(micros, SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def timestamp_if_set(micros: int) -> Timestamp | None:
    """Convert microseconds since 1970 to a Timestamp; None for 0, which is a time that is not set."""
    return timestamp(micros) if micros else None


def micros(time_of: Timestamp) -> int:
    """Convert a Timestamp to microseconds since 1970, rounded down."""
    return time_of.seconds * SECOND + time_of.nanos // 1_000


def rfc3339(micros_since_1970: int) -> str:
    """Format a time to the second: 2026-11-22T06:12:00Z."""
    return datetime.fromtimestamp(micros_since_1970 // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
