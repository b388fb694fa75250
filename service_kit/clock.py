"""Time as the stores keep it: microseconds since 1970, UTC, so that both engines hold and compare plain integers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

Clock = Callable[[], int]
"""Tells the present in microseconds since 1970. Rules take one as an argument, so that a test can set the time."""

SECOND = 1_000_000
DAY = 86_400 * SECOND


def system_clock() -> int:
    """The machine's own time, in microseconds since 1970."""
    return time.time_ns() // 1_000


def timestamp(micros: int) -> Timestamp:
    """Convert microseconds since 1970 to a Timestamp."""
    seconds, rest = divmod(micros, SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def micros(time_of: Timestamp) -> int:
    """Convert a Timestamp to microseconds since 1970; anything finer is cut off."""
    return time_of.seconds * SECOND + time_of.nanos // 1_000


def rfc3339(micros_since_1970: int) -> str:
    """Write a time for people and programs, to the second: 2026-11-22T06:12:00Z."""
    return datetime.fromtimestamp(micros_since_1970 // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
