"""When and how a failed call is retried: the rules of the blocking client and of the client for `grpc.aio`.

Nothing here calls a server or waits. Calls that read are retried, and so are changes with a `request_id`, with the same
id: the library makes the change once and returns its first answer again. Other calls are sent once.
"""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import grpc

from library_client.errors import BY_REASON, LibraryError
from library_client.settings import Limits

RequestT = TypeVar("RequestT")

READING = re.compile(r"(Get|List|Search|Lookup|Explain|Export|Wait|WhoAmI)(?![a-z])")
"""The names of methods that read, and of no others."""

ATTEMPT_SECONDS = 10.0
"""The longest time of an attempt that another can follow: a silent connection must not use up the whole timeout."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 3.2
"""Seconds. Each pause is at most twice the one before, minus a random part of up to a half."""

REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Statuses of calls that changed nothing."""
NOT_CONNECTED = ("failed to connect to all addresses", "errors resolving ", "dns resolution failed")
"""Parts of gRPC's own messages, in lower case, for a call that did not leave this machine."""


class Attempts(Generic[RequestT]):
    """The attempts of one call.

    `request` is the request to send: the caller's own, or a copy with a new `request_id` if it had none.
    """

    def __init__(
        self,
        method: str | bytes,
        request: RequestT,
        timeout: float | None,
        limits: Limits,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Plan the call of `/package.Service/Method`; `timeout` is the caller's, in seconds."""
        name = (method.decode() if isinstance(method, bytes) else method).rpartition("/")[2]
        self._reads = READING.match(name) is not None
        self.request = with_request_id(request)
        self._request_id: str = getattr(self.request, "request_id", "")
        self._limits, self._now = limits, now
        self._deadline = now() + (limits.timeout if timeout is None else timeout)
        self._sent = 0
        self._may_be_done = False

    def next_timeout(self) -> float:
        """Count the next attempt, and return its timeout."""
        self._sent += 1
        left = max(self._deadline - self._now(), 0.0)
        return min(left, ATTEMPT_SECONDS) if self._may_follow() else left

    def pause_after(self, error: grpc.RpcError) -> float:
        """Return the pause before the next attempt. Raises the typed error after the last one."""
        failure = typed_error(error)
        self._note(failure)
        if self._may_follow() and is_temporary(failure):
            longest = min(FIRST_PAUSE * 2 ** (self._sent - 1), LONGEST_PAUSE)
            pause = max(random.uniform(longest / 2, longest), failure.retry_after or 0.0)
            if self._now() + pause < self._deadline:
                return pause
        failure.request_id = self._request_id
        failure.is_outcome_unknown = self._may_be_done
        raise failure from None

    def _may_follow(self) -> bool:
        return (self._reads or bool(self._request_id)) and self._sent < self._limits.attempts

    def _note(self, failure: LibraryError) -> None:
        if failure.code() in REFUSALS and failure.reason:
            # Had an earlier attempt changed something, the library would have returned its answer for the request id.
            self._may_be_done = False
        elif not self._reads and not is_surely_not_done(failure):
            self._may_be_done = True


def with_request_id(request: RequestT) -> RequestT:
    """Return the request itself, or a copy with a new id if its `request_id` is empty.

    The caller's own message is not changed: sending it a second time is another request.
    """
    message: Any = request
    if "request_id" not in message.DESCRIPTOR.fields_by_name or message.request_id:
        return request
    copy: Any = type(request)()
    copy.CopyFrom(message)
    copy.request_id = str(uuid.uuid4())
    identified: RequestT = copy
    return identified


def is_temporary(failure: LibraryError) -> bool:
    """Return whether a retry may succeed soon: no server answered in time, or it was busy."""
    temporary = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return failure.code() in temporary or failure.reason == "SERVER_BUSY"


def is_surely_not_done(failure: LibraryError) -> bool:
    """Return whether an attempt changed nothing: it was refused, did not start, or reached no server."""
    if failure.code() in REFUSALS or failure.reason == "SERVER_BUSY":
        return True
    text = (failure.details() or "").lower()
    not_connected = failure.code() is grpc.StatusCode.UNAVAILABLE and any(words in text for words in NOT_CONNECTED)
    return not_connected and not failure.reason


def error_of_stream(error: grpc.RpcError) -> LibraryError:
    """Return the typed error of a stream of requests. Earlier requests may have been processed."""
    failure = typed_error(error)
    failure.is_outcome_unknown = not is_surely_not_done(failure)
    return failure


def typed_error(error: grpc.RpcError) -> LibraryError:
    """Return the error of a call as the exception of its reason."""
    if isinstance(error, LibraryError):
        return error
    call: Any = error  # a stub raises the call itself, which has more methods than its type
    arguments = (
        call.code(),
        _metadata(call.initial_metadata()),
        _metadata(call.trailing_metadata()),
        call.details(),
        call.debug_error_string(),
    )
    failure = LibraryError(*arguments)
    return BY_REASON.get(failure.reason, LibraryError)(*arguments)


def _metadata(pairs: Iterable[tuple[str, str | bytes]] | None) -> grpc.aio.Metadata:
    """Return metadata in the form of `grpc.aio`. In that of blocking calls it cannot be pickled."""
    return grpc.aio.Metadata(*((key, value) for key, value in pairs or ()))
