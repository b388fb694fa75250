"""A gRPC server that says when it is ready, sheds what is too much, and stops without losing what it acknowledged."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from service_kit.addresses import AddressTaken
from service_kit.channel import MESSAGE_BYTES
from service_kit.errors import NotServing
from service_kit.handlers import PreparingInterceptor
from service_kit.logs import logger
from service_kit.reflection import add_reflection
from service_kit.servicer import refuse
from service_kit.store import Store

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

log = logger(__name__)


PING_SECONDS = 5
"""The interval of keepalive pings that clients may have, with or without calls. grpc-go's smallest is 10."""

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.so_reuseport", 0),  # otherwise a second server on the port would share it, silently
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # A ping that comes earlier than this after the one before is a strike, and the third strike ends the connection,
    # `too_many_pings`. A second less than is promised, for timers and networks that deliver a ping early or late.
    ("grpc.http2.min_ping_interval_without_data_ms", (PING_SECONDS - 1) * 1_000),
    ("grpc.http2.max_ping_strikes", 2),
    # Without it, pings while there are no calls may come every two hours.
    ("grpc.keepalive_permit_without_calls", 1),
]


@dataclass(frozen=True)
class Service:
    """A service and who answers for it: `add` is the generated add_…Servicer_to_server."""

    descriptor: ServiceDescriptor
    servicer: Any
    add: Callable[[Any, grpc.Server], None]


@dataclass(frozen=True)
class Limits:
    """What a server takes on at a time."""

    threads: int
    """Calls that run at the same time; more wait their turn."""
    concurrent_calls: int
    """Calls that run or wait; one more gets RESOURCE_EXHAUSTED at once."""
    grace_seconds: float
    """How long calls may go on after the server was told to stop."""


class Server:
    """One process's gRPC server: health, reflection, limits, drain."""

    def __init__(self, limits: Limits, contract: bytes) -> None:
        """Make a server that listens nowhere yet. `contract` is what reflection serves: see `add_reflection`."""
        self._limits = limits
        self._contract = contract
        self._gate = NotReadyInterceptor()
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="call")
        # For calls that can block for long: streams, and methods that call another service. It keeps them from starving
        # the other pool. Threads start as they are needed, and each call holds one at most.
        self._long_call_pool = ThreadPoolExecutor(limits.concurrent_calls, thread_name_prefix="long-call")
        self._health = health.HealthServicer()
        self._names: list[str] = []
        self._paused: set[tuple[str, str]] = set()  # a service, and for what reason
        self._health_lock = threading.Lock()
        self.grpc = grpc.server(
            self._pool,
            interceptors=[self._gate, PreparingInterceptor(self._long_call_pool)],
            maximum_concurrent_rpcs=limits.concurrent_calls,
            options=OPTIONS,
        )

    def add(self, services: Iterable[Service]) -> None:
        """Serve these, and health and reflection beside them."""
        for service in services:
            service.add(service.servicer, self.grpc)
            self._names.append(service.descriptor.full_name)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        add_reflection(self.grpc, [*self._names, health.SERVICE_NAME], self._contract)
        self._report()

    def listen(self, address: str) -> str:
        """Begin to listen; health says NOT_SERVING, and calls are refused until `open`.

        Gives the address with the port that was taken. Raises `AddressTaken`.
        """
        try:
            port = self.grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise AddressTaken(address) from error
        self.grpc.start()
        return f"{address.rpartition(':')[0]}:{port}"

    def open(self) -> None:
        """Let calls in: the store is ready."""
        self._gate.is_open = True
        self._report()

    def report(self, service: str, *, serves: bool, reason: str = "") -> None:
        """Set the health of one service, by its full name; the server as a whole serves while all services do.

        A service serves while it does so in respect of each `reason` for which it was ever reported. It is only what
        health says: calls are still let in. May be called at any time and from any thread.
        """
        with self._health_lock:
            (self._paused.discard if serves else self._paused.add)((service, reason))
        self._report()

    def report_store(self, store: Store, services: Iterable[str]) -> None:
        """Let these services, by their full names, be NOT_SERVING while the store cannot be written."""

        def report(is_writable: bool) -> None:
            for service in services:
                self.report(service, serves=is_writable, reason="store")

        store.writability.report = report

    def drain(self, interrupt: Callable[[], None] = lambda: None) -> None:
        """Take no more calls, and return when no handler is running: the store may be closed then.

        Calls may go on for the grace. Those that outlive it lose their client, but their handlers still commit or roll
        back, streams and calls to other services included. `interrupt` is called after the grace, and is to end what
        those handlers wait for, so that a hanging service does not delay the stop.
        """
        self._health.enter_graceful_shutdown()
        self.grpc.stop(self._limits.grace_seconds).wait()
        interrupt()
        self._pool.shutdown(wait=True)
        self._long_call_pool.shutdown(wait=True)

    def _report(self) -> None:
        with self._health_lock:
            paused = {service for service, _ in self._paused}
            for name in ["", *self._names]:
                serves = self._gate.is_open and not (name in paused if name else paused)
                self._health.set(name, _SERVING if serves else _NOT_SERVING)


class NotReadyInterceptor(grpc.ServerInterceptor):
    """Refuses calls until the server is open, except for health and reflection."""

    is_open = False

    def __init__(self) -> None:
        # It reads no request, so it will do for methods of each kind.
        self._closed: grpc.RpcMethodHandler[Any, Any] = grpc.stream_unary_rpc_method_handler(
            lambda requests, context: refuse(context, NotServing(), "before the store is ready")
        )

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Any], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Pass the call on, or refuse it."""
        if self.is_open or handler_call_details.method.startswith("/grpc."):
            return continuation(handler_call_details)
        return self._closed


def wait_for_stop() -> None:
    """Wait in the main thread until SIGTERM or SIGINT."""
    # Not an Event: a handler that sets one while the main thread is about to wait for it waits for ever. The byte is
    # written as the signal comes, whatever the thread, so it is there even when it comes before the wait begins.
    waiting, written = socket.socketpair()
    with waiting, written:
        written.setblocking(False)
        signal.set_wakeup_fd(written.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        waiting.recv(1)
        signal.set_wakeup_fd(-1)
