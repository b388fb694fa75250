"""What the writing calls of both services share: values of a few, so that calls are about the same rows.

The tests of locks make all calls: `FrontendCalls.by_name` and `AdminCalls.by_name` have an entry for each.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from uuid import UUID

import grpc

from frontend_server.sync.answers import AnswerRefused
from service_kit.errors import ServiceError

Call = Callable[[random.Random], object]

EMAILS = [f"patron{number}@example.org" for number in range(6)]
BARCODES = [f"B{number}" for number in range(40)]
WORDS = ("emma", "persuasion", "middlemarch", "villette", "shirley", "romola", "lavengro")


def refused_or_done(call: Call, chance: random.Random) -> object:
    """Make a call that may be refused, or may find the admin at fault; other errors are raised."""
    try:
        return call(chance)
    except (ServiceError, grpc.RpcError, AnswerRefused) as refusal:
        return refusal


def some_request_id(chance: random.Random) -> str:
    """Return no request id, or one of a few, which other calls use as well."""
    return chance.choice(["", str(UUID(int=chance.randrange(1_000, 1_040)))])
