"""Servicers run by grpcio-testing: no port and no interceptors, but codes and trailing metadata as clients see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import grpc
import grpc_testing
from google.protobuf.message import Message

from service_kit.server import Service
from tests.support.clients import CREDENTIALS, Refusal, read_refusal

CALL_SECONDS = 60.0


class ServicerRunner:
    """Calls the methods of some services."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._methods = {
            f"{service.descriptor.full_name}/{method.name}": method
            for service in services
            for method in service.descriptor.methods
        }
        self._trailing_metadata: list[Any] = []
        servicers = {service.descriptor: _Watched(service.servicer, self._trailing_metadata) for service in services}
        self._server = grpc_testing.server_from_dictionary(servicers, grpc_testing.strict_real_time())

    def call(self, method: str, request: Message, metadata: Sequence[tuple[str, str]] = ()) -> Any:
        """Call `package.Service/Method`; return the reply, or a `Refusal` where the call was refused."""
        if method.startswith("library.sync.v1."):
            metadata = [*CREDENTIALS.metadata(), *metadata]
        rpc = self._server.invoke_unary_unary(self._methods[method], metadata, request, CALL_SECONDS)
        return self._outcome(rpc)

    def call_with_stream(self, method: str, requests: Iterable[Message]) -> Any:
        """The same for a method that takes a stream."""
        rpc = self._server.invoke_stream_unary(self._methods[method], (), CALL_SECONDS)
        for request in requests:
            rpc.send_request(request)
        rpc.requests_closed()
        return self._outcome(rpc)

    def call_any_kind(self, method: str, requests: Sequence[Message], metadata: Sequence[tuple[str, str]]) -> Any:
        """Call a method of any kind; return its answers as a list, or a `Refusal`."""
        descriptor = self._methods[method]
        kind = f"{_shape(descriptor.client_streaming)}_{_shape(descriptor.server_streaming)}"
        first = () if descriptor.client_streaming else (requests[0],)
        rpc = getattr(self._server, f"invoke_{kind}")(descriptor, metadata, *first, CALL_SECONDS)
        if descriptor.client_streaming:
            for request in requests:
                rpc.send_request(request)
            rpc.requests_closed()
        if not descriptor.server_streaming:
            outcome = self._outcome(rpc)
            return outcome if isinstance(outcome, Refusal) else [outcome]
        _, code, message = rpc.termination()
        if code is not grpc.StatusCode.OK:
            return read_refusal(code, message, self._trailing_metadata.pop())
        return list(_answers(rpc))

    def refusal(self, method: str, request: Message, metadata: Sequence[tuple[str, str]] = ()) -> Refusal:
        """Call a method that is to refuse."""
        outcome = self.call(method, request, metadata)
        assert isinstance(outcome, Refusal), f"was to be refused, and answered {outcome}"
        return outcome

    def _outcome(self, rpc: Any) -> Any:
        reply, _, code, message = rpc.termination()
        return reply if code is grpc.StatusCode.OK else read_refusal(code, message, self._trailing_metadata.pop())


def _shape(is_stream: bool) -> str:
    return "stream" if is_stream else "unary"


def _answers(rpc: Any) -> Iterator[Any]:
    while True:
        try:
            yield rpc.take_response()
        except ValueError:  # there are no more
            return


class _Watched:
    """A servicer whose trailing metadata is noted: grpcio-testing drops it when a call is aborted, as gRPC does not."""

    def __init__(self, servicer: Any, trailing_metadata: list[Any]) -> None:
        self._servicer = servicer
        self._trailing_metadata = trailing_metadata

    def __getattr__(self, method: str) -> Callable[[Any, Any], Any]:
        def watched(request: Any, context: Any) -> Any:
            return getattr(self._servicer, method)(request, _NotingContext(context, self._trailing_metadata))

        return watched


class _NotingContext:
    def __init__(self, context: Any, trailing_metadata: list[Any]) -> None:
        self._context = context
        self._trailing_metadata = trailing_metadata

    def set_trailing_metadata(self, metadata: Any) -> None:
        self._context.set_trailing_metadata(metadata)
        self._trailing_metadata[:] = [metadata]

    def peer(self) -> str:
        """Return an address, which grpcio-testing does not have."""
        return "ipv4:192.0.2.1:4711"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)
