"""A gRPC server of any contract, in the tests' process: it answers with what it was asked, and notes what it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tests.support.transcoding.contracts import Contract

Behaviour = Callable[[Iterator[Any], grpc.ServicerContext], Iterator[Message]]
"""What a method does: from its requests, however many, to its answers."""

THREADS = 16
STOP_SECONDS = 60.0


@dataclass
class Call:
    """A call, as the server saw it."""

    method: str
    """`/package.Service/Method`."""
    metadata: dict[str, str]
    requests: list[Message] = field(default_factory=list)


class TranscodedServer:
    """A server with grpcio-reflection's own servicer, as anybody's server has it.

    Methods echo what they get: a request of the answer's type is the answer, one that has a field of the answer's type
    is answered with that field, and where the answer has a field of the request's type, it contains all the requests.
    """

    def __init__(
        self,
        contract: Contract,
        *,
        reflections: Sequence[str] = ("v1alpha",),
        behaviours: Mapping[str, Behaviour] | None = None,
        address: str = "127.0.0.1:0",
        listed: Sequence[str] = (),
    ) -> None:
        """Start it. Behaviours, by a method's own name, go before the echo; `listed` it names and has not."""
        self.calls: list[Call] = []
        self.looks = 0
        """How often somebody asked what it offers."""
        self._behaviours = dict(behaviours or {})
        # Its own name is in the list, as grpcio's manual has it.
        self._listed = [*listed, "grpc.reflection.v1alpha.ServerReflection"]
        self._reflections = [
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in reflections
        ]
        self._server = grpc.server(ThreadPoolExecutor(THREADS), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Handlers(self._handler),))
        self.offer(contract)
        port = self._server.add_insecure_port(address)
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def offer(self, contract: Contract) -> None:
        """Offer another contract from now on, on the connections that there are."""
        self.contract = contract
        names = [contract.service, *self._listed]
        self._reflection = reflection.ReflectionServicer(names, pool=contract.pool)

    def take_calls(self) -> list[Call]:
        """The calls since this was last asked."""
        calls, self.calls = self.calls, []
        return calls

    def wait(self) -> None:
        """Wait for its end."""
        self._server.wait_for_termination()

    def stop(self) -> None:
        """End it at once, and wait for the end."""
        assert self._server.stop(0).wait(STOP_SECONDS)

    def _handler(self, method: str, metadata: dict[str, str]) -> grpc.RpcMethodHandler[Any, Any] | None:
        if method in self._reflections:
            self.looks += 1
            return grpc.stream_stream_rpc_method_handler(
                self._reflection.ServerReflectionInfo,
                request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
                response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
            )
        descriptor = self.contract.methods.get(method)
        if descriptor is None:
            return None
        behaviour = self._behaviours.get(descriptor.name) or echo(descriptor)
        call = Call(method, metadata)

        def answer(requests: Iterator[Message], context: grpc.ServicerContext) -> Iterator[Message]:
            self.calls.append(call)
            return behaviour(_noted(requests, call.requests), context)

        # A method that takes or returns one message is, on the wire, a stream of one.
        return grpc.stream_stream_rpc_method_handler(
            answer,
            request_deserializer=message_factory.GetMessageClass(descriptor.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


def only_call(server: TranscodedServer) -> Call:
    """Return the one call since this was last asked."""
    (call,) = server.take_calls()
    return call


def echo(method: MethodDescriptor) -> Behaviour:
    """What a method does by default."""
    given = message_factory.GetMessageClass(method.output_type)
    if method.input_type.full_name == method.output_type.full_name:
        return lambda requests, context: requests
    if (asked := _field_of(method.input_type, method.output_type)) is not None:
        return lambda requests, context: (
            answer for request in requests for answer in _values(getattr(request, asked.name), asked)
        )
    holding = _field_of(method.output_type, method.input_type)
    if holding is None:
        return lambda requests, context: (given() for _ in requests)

    def all_in_one(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Message]:
        answer = given()
        for request in requests:
            if holding.is_repeated:
                getattr(answer, holding.name).append(request)
            else:
                getattr(answer, holding.name).CopyFrom(request)
        yield answer

    return all_in_one


class _Handlers(grpc.GenericRpcHandler):
    """Looks for the method at each call, as the contract may be another by then."""

    def __init__(self, find: Callable[[str, dict[str, str]], grpc.RpcMethodHandler[Any, Any] | None]) -> None:
        self._find = find

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        metadata = {key: value for key, value in handler_call_details.invocation_metadata if isinstance(value, str)}
        return self._find(handler_call_details.method, metadata)


def _noted(requests: Iterator[Message], noted: list[Message]) -> Iterator[Message]:
    for request in requests:
        noted.append(request)
        yield request


def _field_of(message: Descriptor, kind: Descriptor) -> FieldDescriptor | None:
    return next(
        (field for field in message.fields if field.message_type and field.message_type.full_name == kind.full_name),
        None,
    )


def _values(value: Any, of: FieldDescriptor) -> Iterable[Message]:
    return value if of.is_repeated else [value]
