"""How a server runs its methods' handlers: in which pool, and what it does about bytes that are not a message."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc

from service_kit.client_streams import Unreadable
from service_kit.errors import MessageUnreadable
from service_kit.servicer import IS_LONG_CALL, refuse

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behavior = Callable[..., Any]

_MAKERS: dict[tuple[bool, bool], tuple[str, Callable[..., Handler]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}
"""By whether requests and responses are streams: the handler's attribute, and what makes such a handler."""


class PreparingInterceptor(grpc.ServerInterceptor):
    """Runs long calls in a pool of their own, and refuses bytes that are not a message with a reason.

    A method's handler is prepared at its first call and kept.
    """

    def __init__(self, long_call_pool: ThreadPoolExecutor) -> None:
        """Run streams, and methods that call another service, in this pool."""
        self._long_call_pool = long_call_pool
        self._prepared: dict[str, Handler] = {}
        self._lock = threading.Lock()

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the prepared handler of a method, or None for an unknown method."""
        method = handler_call_details.method
        prepared = self._prepared.get(method)
        if prepared is None:
            handler = continuation(handler_call_details)
            if handler is None:
                return None
            with self._lock:
                prepared = self._prepared.setdefault(method, self._prepare(handler, method.lstrip("/")))
        return prepared

    def _prepare(self, handler: Handler, method: str) -> Handler:
        name, make = _MAKERS[handler.request_streaming, handler.response_streaming]
        behavior: Behavior = getattr(handler, name)
        prepared = _refusing_the_unreadable(behavior, method)
        # grpcio's own way to keep a thread from being held: https://github.com/grpc/grpc/pull/21457
        is_non_blocking = getattr(behavior, "experimental_non_blocking", False)
        is_stream = handler.request_streaming or handler.response_streaming
        if getattr(behavior, IS_LONG_CALL, False) or (is_stream and not is_non_blocking):
            prepared.experimental_thread_pool = self._long_call_pool  # type: ignore[attr-defined]
        return make(prepared, _reader(handler.request_deserializer), handler.response_serializer)


def _refusing_the_unreadable(behavior: Behavior, method: str) -> Behavior:
    """Wrap a behavior. A stream is passed on; what is unreadable in it is refused by `ClientStream`."""

    @functools.wraps(behavior)
    def call(request: Any, context: grpc.ServicerContext, *send_response: Any) -> Any:
        if type(request) is Unreadable:
            refuse(context, MessageUnreadable(method=method), method)
        return behavior(request, context, *send_response)

    return call


def _reader(deserializer: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """Make a deserializer that returns an `Unreadable` where grpcio would log a traceback and answer INTERNAL."""
    if deserializer is None:
        return None
    read = deserializer

    def read_or_mark(serialized: bytes) -> Any:
        try:
            return read(serialized)
        except Exception:  # noqa: BLE001 - whatever a deserializer raises, the bytes are the client's
            return Unreadable()

    return read_or_mark
