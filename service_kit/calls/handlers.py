"""Prepares the handlers of a server's methods: chooses their lane, counts their bytes, refuses unreadable messages."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn, TypeAlias

import grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE

from service_kit.calls.call import Call, Stage
from service_kit.calls.client_streams import Unreadable
from service_kit.calls.current import CURRENT_CALL
from service_kit.calls.lanes import METHOD, TAKES_ONE_MESSAGE, LanePool
from service_kit.errors import MessageUnreadable
from service_kit.servicer import IS_LONG_CALL, IS_READ, refuse

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behavior = Callable[..., Any]

_MAKERS: dict[tuple[bool, bool], tuple[str, Callable[..., Handler]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}
"""By whether requests and responses are streams: the handler's attribute, and the function that makes a handler."""


class Lanes(NamedTuple):
    """The lane of each kind of call, in which it waits and runs."""

    reads: LanePool
    writes: LanePool
    streams: LanePool
    long_calls: LanePool
    health: LanePool
    watches: LanePool
    apart: LanePool
    """For services that must be answered while the other lanes are full, such as the sync."""


class PreparingInterceptor(grpc.ServerInterceptor):
    """Chooses the lane of each method, limits the bytes of its answers, and refuses unreadable messages with a reason.

    A method's handler is prepared at its first call and kept.
    """

    def __init__(self, lanes: Lanes) -> None:
        """Run calls in these lanes."""
        self._lanes = lanes
        self._apart: set[str] = set()
        self._prepared: dict[str, Handler] = {}
        self._unknown = _refusing_unknown_methods()
        self._lock = threading.Lock()

    def set_apart(self, service: str) -> None:
        """Run the calls of a service, by its full name, in the lane `apart`."""
        self._apart.add(service)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the prepared handler of a method."""
        method = handler_call_details.method
        prepared = self._prepared.get(method)
        if prepared is None:
            handler = continuation(handler_call_details)
            if handler is None:
                return self._unknown  # and not None: grpcio would not count the call
            with self._lock:
                prepared = self._prepared.setdefault(method, self._prepare(handler, method.lstrip("/")))
        return prepared

    def _prepare(self, handler: Handler, method: str) -> Handler:
        name, make = _MAKERS[handler.request_streaming, handler.response_streaming]
        behavior: Behavior = getattr(handler, name)
        answer = _stream_answering if handler.response_streaming else _answering
        prepared = answer(behavior, method, handler.response_serializer)
        # grpcio's own way to run a method in another pool: https://github.com/grpc/grpc/pull/21457
        prepared.experimental_thread_pool = self._lane(handler, behavior, method)  # type: ignore[attr-defined]
        setattr(prepared, METHOD, method)
        setattr(prepared, TAKES_ONE_MESSAGE, not handler.request_streaming)
        # An answer that is not a stream is serialized already.
        writer = handler.response_serializer if handler.response_streaming else None
        return make(prepared, _reader(handler.request_deserializer), writer)

    def _lane(self, handler: Handler, behavior: Behavior, method: str) -> LanePool:
        service = method.rpartition("/")[0]
        if service == HEALTH_SERVICE:
            return self._lanes.watches if handler.response_streaming else self._lanes.health
        if service in self._apart:
            return self._lanes.apart
        if handler.request_streaming or handler.response_streaming:
            return self._lanes.streams
        if getattr(behavior, IS_LONG_CALL, False):
            return self._lanes.long_calls
        return self._lanes.reads if getattr(behavior, IS_READ, False) else self._lanes.writes


def _answering(behavior: Behavior, method: str, serializer: Callable[[Any], bytes] | None) -> Behavior:
    """Wrap a behavior that answers with one message: serialize the message and count its bytes.

    A stream is passed on; `ClientStream` refuses unreadable messages in it.
    """
    write = serializer or bytes

    @functools.wraps(behavior)
    def answer(request: Any, context: grpc.ServicerContext) -> bytes:
        if type(request) is Unreadable:
            refuse(context, MessageUnreadable(method=method), method)
        serialized = write(behavior(request, context))
        call = CURRENT_CALL.get()
        if isinstance(call, Call) and (refusal := call.register.answer(call, len(serialized))) is not None:
            refuse(context, refusal, method)
        return serialized

    return answer


def _stream_answering(behavior: Behavior, method: str, serializer: object) -> Behavior:
    """Wrap a behavior that answers with a stream: note that the call waits for its client while a message is sent."""

    @functools.wraps(behavior)
    def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        if type(request) is Unreadable:
            refuse(context, MessageUnreadable(method=method), method)
        call = CURRENT_CALL.get()
        for message in behavior(request, context):
            if isinstance(call, Call):
                call.waits(Stage.SENDING)
            yield message
            if isinstance(call, Call):
                call.goes_on()

    return answer


def _refusing_unknown_methods() -> Handler:
    def answer(requests: object, context: grpc.ServicerContext) -> NoReturn:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")  # as grpcio says
        raise AssertionError("abort does not return")

    return grpc.stream_unary_rpc_method_handler(answer)


def _reader(deserializer: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """Make a deserializer that returns an `Unreadable` where grpcio would log a traceback and answer INTERNAL."""
    if deserializer is None:
        return None
    read = deserializer

    def read_or_mark(serialized: bytes) -> Any:
        try:
            return read(serialized)
        except Exception:  # noqa: BLE001 - any error of a deserializer is caused by the client's bytes
            return Unreadable()

    return read_or_mark
