"""Ids: of things, which sort by the time of their making, and of requests, by which a log has them."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from typing import Any

import uuid_utils

REQUEST_ID_HEADER = "x-request-id"
"""Names a request, whoever made the name: as metadata in gRPC, as a header in HTTP."""

UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A UUID as text (RFC 9562), in any case."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_id() -> str:
    """Make a UUIDv7 (RFC 9562), lower case with hyphens."""
    # A UUIDv7 holds no time before 1970, and uuid_utils panics there, which ends the call without an answer.
    return str(uuid_utils.uuid7(nanoseconds=0) if time.time() < 0 else uuid_utils.uuid7())


def new_request_id() -> str:
    """Make the name of a request that came without one: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def is_request_id(text: str) -> bool:
    """Return whether a client's name for its request may be written to logs and headers."""
    return _REQUEST_ID.fullmatch(text) is not None


def request_id_in(metadata: Iterable[Any] | None) -> str:
    """Return the request id that a client sent in the metadata of its call, or one that is made here."""
    for key, value in metadata or ():
        if key == REQUEST_ID_HEADER and isinstance(value, str) and is_request_id(value):
            return value
    return new_request_id()
