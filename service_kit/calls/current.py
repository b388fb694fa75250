"""The call that this thread works on, for code that waits on its behalf and does not know gRPC."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Protocol


class CallCancelled(Exception):
    """The call has ended before its work was done: by the client, its deadline, its connection, or a server that stops.

    Nobody waits for the answer. Work that was not begun is not to be begun, and what is not committed is not to be.
    """


class CurrentCall(Protocol):
    """What code that waits can learn about the call it works for."""

    give_up_at: float
    """When the call is to stop waiting for its turn, by `time.monotonic()`."""

    def is_wanted(self) -> bool:
        """Whether the client still waits for the answer."""

    def is_server_open(self) -> bool:
        """Whether the server lets calls in."""


CURRENT_CALL: ContextVar[CurrentCall | None] = ContextVar("current_call", default=None)
"""None in threads that work for no call, such as the sync."""


def check_wanted() -> None:
    """Raise `CallCancelled` when this thread works for a call whose client does not wait any more."""
    call = CURRENT_CALL.get()
    if call is not None and not call.is_wanted():
        raise CallCancelled


def seconds_to_wait() -> float:
    """Return how long this thread may go on waiting for its turn: never negative; -1.0 is without a limit."""
    call = CURRENT_CALL.get()
    return -1.0 if call is None else max(0.0, call.give_up_at - time.monotonic())
