"""The call that this thread works for, for code that waits and does not know gRPC."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Protocol


class CallCancelled(Exception):
    """The call has ended before its work was done: by the client, its deadline, its connection, or a server that stops.

    No client waits for the answer, so work that has not begun must not begin, and nothing more may be committed.
    """


class CurrentCall(Protocol):
    """The part of a call that code which waits uses."""

    give_up_at: float
    """The time, by `time.monotonic()`, at which the call stops waiting for its turn."""

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


WAIT_SECONDS = 10.0
"""The longest that a call waits for a thread and for the store's writer lock together before it is refused. A call
whose own deadline is earlier is given up at that deadline."""


def wait_on() -> None:
    """Let the call of this thread wait for its turn from now on: it has waited for something other than a turn."""
    call = CURRENT_CALL.get()
    if call is not None:
        call.give_up_at = time.monotonic() + WAIT_SECONDS


def seconds_to_wait() -> float:
    """Return how long this thread may still wait for its turn: 0.0 or more, or -1.0 for no limit."""
    call = CURRENT_CALL.get()
    return -1.0 if call is None else max(0.0, call.give_up_at - time.monotonic())
