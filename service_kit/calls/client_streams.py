"""Streams of a client, which end only where the client has ended them.

A client can cancel its call, its deadline can pass, its connection can be lost. grpcio then raises an error from the
iterator of requests, or ends the iterator as if the client had sent all: https://github.com/grpc/grpc/issues/33038.
The messages until then must not be taken for the whole stream.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import grpc
from grpc import _server

from service_kit.calls.current import CallCancelled
from service_kit.errors import MessageUnreadable

Request = TypeVar("Request")

_CONFIRMING = "confirming that the client has ended its stream"


class Unreadable:
    """Replaces a message whose bytes cannot be parsed."""


class ClientStream(Generic[Request]):
    """The requests of a client's stream, which ends only when the client has ended it."""

    def __init__(self, requests: Iterator[Request], context: grpc.ServicerContext, method: str) -> None:
        """Read `requests`, as grpcio passes them to the handler of `method`."""
        self._requests = requests
        self._context = context
        self._method = method

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        """Return the next request.

        Raises:
            CallCancelled: The call was cancelled, whether grpcio says so or not.
            MessageUnreadable: The client has sent bytes that cannot be parsed.
        """
        try:
            request = next(self._requests)
        except grpc.RpcError as error:
            raise CallCancelled from error
        except StopIteration:
            if not is_half_closed(self._context):
                raise CallCancelled from None
            raise
        if isinstance(request, Unreadable):
            raise MessageUnreadable(method=self._method)
        return request


def is_half_closed(context: grpc.ServicerContext) -> bool:
    """Return whether the client has ended its stream, and not the end of the call.

    `context.is_active()` is not enough: the cancellation is reported to another thread, so one in six cancelled calls
    was still active when its iterator ended. So the headers are sent, which fails if the call is over. A client does
    not use them before the answer.
    """
    state: Any = getattr(context, "_state", None)
    if not isinstance(state, _server._RPCState):  # a context of grpcio-testing
        return context.is_active()
    outcome: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def confirmed(event: Any) -> Any:
        outcome.put(event.success)
        with state.condition:
            return _server._possibly_finish_call(state, _CONFIRMING)

    with state.condition:
        if not _server._is_rpc_state_active(state):
            return False
        if not state.initial_metadata_allowed:
            return True
        operation = _server._get_initial_metadata_operation(state, None)
        context._rpc_event.call.start_server_batch((operation,), confirmed)  # type: ignore[attr-defined]
        state.initial_metadata_allowed = False
        state.due.add(_CONFIRMING)  # type: ignore[call-arg, arg-type]  # it says `due = Set[str]`, for `due: Set[str]`
    # The outcome arrives at once, or when the call ends, as with each operation of a call.
    return outcome.get() and context.is_active()
