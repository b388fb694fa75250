"""A gRPC server that says when it is ready, sheds what is too much, and stops without losing what it acknowledged."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc

from service_kit.addresses import AddressTaken
from service_kit.calls.handlers import Lanes, PreparingInterceptor
from service_kit.calls.lanes import OpenCalls
from service_kit.calls.register import CLIENT_SECONDS, STREAM_SECONDS, Lane
from service_kit.calls.workers import Workers
from service_kit.channel import MESSAGE_BYTES
from service_kit.health import NOT_SERVING, SERVICE_NAME, SERVING, Health
from service_kit.logs import logger
from service_kit.open_files import most_connections
from service_kit.reflection import add_reflection
from service_kit.store import Store

log = logger(__name__)


PING_SECONDS = 5
"""The interval of keepalive pings that clients may have, with or without calls. grpc-go's smallest is 10."""

CONNECTION_CALLS = 1_024
"""Calls that are open on one connection, in all lanes together.

By default the lanes let one connection have 680, and refuse more with a reason. This bound is above that, because at it
gRPC resets streams without one: a client opens the next stream as soon as it has read an answer, and the server may
count the answered call a moment longer. (With 16 callers and a bound of 20, calls failed with REFUSED_STREAM.) Memory
is not what it bounds: calls without their message, and bytes, have bounds of their own.
"""

LEAST_OF_CONNECTION = 64
"""Calls that read, and as many that write, that one connection may have open, whatever `--concurrent-calls` is."""

STREAMS = 64
"""Streams at a time; each has a thread while it is open."""

CONNECTION_STREAMS = 32

LONG_CALLS = 128
"""Calls at a time of methods that call another service."""

CONNECTION_LONG_CALLS = 64

HEALTH_CHECKS, HEALTH_THREADS = 128, 2

WATCHES, CONNECTION_WATCHES = 32, 8
"""Each has a thread while it is open."""

APART_CALLS, APART_THREADS = 64, 4
"""Of services that must always be answered. A frontend process has two such calls at most."""

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
    # A client that is frozen or has vanished is dropped after these two, also where only answers go its way: without
    # the third, pings stop after two that no data of this side came between.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_concurrent_streams", CONNECTION_CALLS),
    # A connection that does not begin to speak HTTP/2 is closed after this.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # One without a call is closed after this, whether it had one and whether it sends pings or not. Clients connect
    # again by themselves.
    ("grpc.max_connection_idle_ms", 2 * 60_000),
    # The longest stream fits into the grace.
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", int(STREAM_SECONDS + CLIENT_SECONDS) * 1_000),
]


@dataclass(frozen=True)
class Service:
    """A service and who answers for it: `add` is the generated add_…Servicer_to_server."""

    descriptor: ServiceDescriptor
    servicer: Any
    add: Callable[[Any, grpc.Server], None]
    is_apart: bool = False
    """Whether its calls have places and threads of their own."""


@dataclass(frozen=True)
class Limits:
    """What a server takes on at a time."""

    threads: int
    """Calls that run at the same time; more wait their turn."""
    concurrent_calls: int
    """Calls that run or wait, of those that read and as many of those that write; one more gets RESOURCE_EXHAUSTED."""
    grace_seconds: float
    """How long calls may go on after the server was told to stop."""


class Server:
    """One process's gRPC server: health, reflection, limits, drain."""

    def __init__(self, limits: Limits, contract: bytes, options: Sequence[tuple[str, Any]] = OPTIONS) -> None:
        """Make a server that listens nowhere yet, with some `options` of gRPC.

        `contract` is what reflection serves: see `add_reflection`.
        """
        self._limits = limits
        self._contract = contract
        self._calls = OpenCalls()
        # For short calls. Those that write wait for one another, so they never have all of its threads (if it has two).
        self._pool = Workers(limits.threads, "call")
        threads = STREAMS + LONG_CALLS + WATCHES + HEALTH_THREADS + APART_THREADS
        # For the others. It has as many threads as may be running; they start as they are needed.
        self._long_call_pool = ThreadPoolExecutor(threads, thread_name_prefix="long-call")
        lanes = self._lanes(limits)
        self._preparing = PreparingInterceptor(lanes)
        self._health = Health()
        self._names: list[str] = []
        self._paused: set[tuple[str, str]] = set()  # a service, and for what reason
        self._health_lock = threading.Lock()
        limited = [*options, ("grpc.max_allowed_incoming_connections", most_connections())]
        self.grpc = grpc.server(lanes.reads, interceptors=[self._preparing], options=limited)

    def _lanes(self, limits: Limits) -> Lanes:
        places, threads = limits.concurrent_calls, limits.threads
        writers = max(1, threads - max(1, threads // 4))
        # `library-rest` has one connection for all its clients, so it is most of the places.
        of_connection = max(LEAST_OF_CONNECTION, places * 3 // 4)
        short, long = self._pool, self._long_call_pool
        lane = self._calls.lane
        return Lanes(
            reads=lane(Lane("calls that read", places, threads, of_connection), short),
            writes=lane(Lane("calls that write", places, writers, of_connection), short),
            streams=lane(Lane("streams", STREAMS, STREAMS, CONNECTION_STREAMS), long),
            long_calls=lane(
                Lane("calls that wait for another service", LONG_CALLS, LONG_CALLS, CONNECTION_LONG_CALLS), long
            ),
            health=lane(Lane("health checks", HEALTH_CHECKS, HEALTH_THREADS), long),
            watches=lane(Lane("watches of the health", WATCHES, WATCHES, CONNECTION_WATCHES), long),
            apart=lane(Lane("calls of another service of the library", APART_CALLS, APART_THREADS), long),
        )

    def add(self, services: Iterable[Service]) -> None:
        """Serve these, and health and reflection beside them."""
        for service in services:
            service.add(service.servicer, self.grpc)
            self._names.append(service.descriptor.full_name)
            if service.is_apart:
                self._preparing.set_apart(service.descriptor.full_name)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        add_reflection(self.grpc, [*self._names, SERVICE_NAME], self._contract)
        self._report()

    def listen(self, address: str) -> str:
        """Begin to listen; health says NOT_SERVING, and calls are refused until `open`.

        Gives the address with the port that was taken. Raises `AddressTaken`.
        """
        try:
            port = self.grpc.add_insecure_port(address)
        except RuntimeError as error:
            raise AddressTaken(address) from error
        self._calls.start()
        self.grpc.start()
        return f"{address.rpartition(':')[0]}:{port}"

    def open(self) -> None:
        """Let calls in: the store is ready."""
        self._calls.register.is_open = True
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
        self._health.stop()
        self.grpc.stop(self._limits.grace_seconds).wait()
        interrupt()
        self._pool.shutdown()
        self._long_call_pool.shutdown(wait=True)
        self._calls.stop()

    def _report(self) -> None:
        with self._health_lock:
            paused = {service for service, _ in self._paused}
            for name in ["", *self._names]:
                serves = self._calls.register.is_open and not (name in paused if name else paused)
                self._health.set(name, SERVING if serves else NOT_SERVING)


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
