"""A gRPC server whose answers are written down beforehand: those that the library's own servers seldom return."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

Answer = Callable[[grpc.ServicerContext], Message]
"""Returns the answer to a call, or ends it with an error."""


def refuse(code: grpc.StatusCode, *details: Message, message: str = "Refused.") -> Answer:
    """An answer that is an error with these google.rpc details."""
    status = Status(code=code.value[0], message=message)
    for detail in details:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    return refuse_with(code, status.SerializeToString(), message)


def refuse_with(code: grpc.StatusCode, details: bytes, message: str = "Refused.") -> Answer:
    """An answer that is an error with these bytes as its details."""

    def answer(context: grpc.ServicerContext) -> NoReturn:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, message)

    return answer


def hang(context: grpc.ServicerContext) -> Message:
    """Do not answer before the client has given up."""
    has_ended = threading.Event()
    if context.add_callback(has_ended.set):
        has_ended.wait(100)
    return Empty()


class ScriptedServer(grpc.GenericRpcHandler):
    """Answers calls of any method, each with the next answer of its script."""

    def __init__(self) -> None:
        self.address = ""
        self.script: list[Answer] = []
        self.received: list[bytes] = []
        """The request of each call; of a stream, those of all its messages together."""
        self.tokens: list[object] = []
        """The metadata `authorization` of each call; None where it had none."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Take a stream where the method's name requires it."""
        if handler_call_details.method.rpartition("/")[2].startswith("Import"):
            return grpc.stream_unary_rpc_method_handler(
                lambda requests, context: self._answer(b"".join(requests), context),
                response_serializer=lambda message: message.SerializeToString(),
            )
        return grpc.unary_unary_rpc_method_handler(
            self._answer, response_serializer=lambda message: message.SerializeToString()
        )

    def _answer(self, request: Any, context: grpc.ServicerContext) -> Message:
        self.received.append(request)
        self.tokens.append(dict(context.invocation_metadata()).get("authorization"))
        return self.script.pop(0)(context)


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """Run such a server in this process."""
    handler = ScriptedServer()
    with ThreadPoolExecutor(8) as threads:
        server = grpc.server(threads, handlers=[handler])
        handler.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield handler
        server.stop(None).wait()
