"""Ids of resources, which sort by the time of their creation, and of requests, by which logs identify them."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from typing import Any

import uuid_utils

REQUEST_ID_HEADER = "x-request-id"
"""The name of the metadata in gRPC, and of the header in HTTP, with the request id."""

UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A UUID as text (RFC 9562), in any case."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_id() -> str:
    """Make a UUIDv7 (RFC 9562), lower case with hyphens."""
    # A UUIDv7 cannot contain a time before 1970; uuid_utils panics, which ends the call without an answer.
    return str(uuid_utils.uuid7(nanoseconds=0) if time.time() < 0 else uuid_utils.uuid7())


def new_request_id() -> str:
    """Make an id of 32 hexadecimal digits for a request without one."""
    return secrets.token_hex(16)


def is_request_id(text: str) -> bool:
    """Return whether a client's request id can be written to logs and headers."""
    return _REQUEST_ID.fullmatch(text) is not None


def request_id_in(metadata: Iterable[Any] | None) -> str:
    """Return the valid request id in the metadata of a call, or a new one."""
    for key, value in metadata or ():
        if key == REQUEST_ID_HEADER and isinstance(value, str) and is_request_id(value):
            return value
    return new_request_id()
