"""What can be sent to another service of a row that is damaged, so that the other service sets it aside."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

NO_TIME = Timestamp(nanos=-1)
"""A time of such a row: an invalid one."""

LONGEST_ID = 100


def shown_id(stored: object) -> str:
    """Return an id as it is stored, or a text that shows what is stored in its place."""
    return stored if isinstance(stored, str) else repr(stored)[:LONGEST_ID]
