"""A gRPC server that reports when it is ready, refuses calls over its limits, and drains before it stops."""

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
from service_kit.calls.steps.admission import Guard
from service_kit.calls.workers import Workers
from service_kit.channel import MESSAGE_BYTES
from service_kit.health import NOT_SERVING, SERVICE_NAME, SERVING, Health
from service_kit.logs import logger
from service_kit.open_files import most_connections
from service_kit.reflection import add_reflection
from service_kit.settings import CLOSED, OPEN, SIGNED_IN
from service_kit.store import Store
from service_kit.tls import ServerTls

log = logger(__name__)


PING_SECONDS = 5
"""The shortest interval of a client's keepalive pings, with or without calls. grpc-go's smallest is 10."""

CONNECTION_CALLS = 1_024
"""Calls that are open on one connection, in all lanes together.

By default the lanes let one connection have 680, and refuse more with a reason. This bound is above that, because at it
gRPC resets streams without one: a client opens the next stream as soon as it has read an answer, and the server may
count the answered call a moment longer. (With 16 callers and a bound of 20, calls failed with REFUSED_STREAM.) Memory
is not what it bounds: calls without their message, and bytes, have bounds of their own.
"""

LEAST_OF_CONNECTION = 64
"""One connection can have at least this number of reads and of writes open, however low `--concurrent-calls` is."""

STREAMS = 64
"""Streams at a time. Each uses a thread while it is open."""

CONNECTION_STREAMS = 32

LONG_CALLS = 128
"""Calls at a time of methods that call another service."""

CONNECTION_LONG_CALLS = 64

HEALTH_CHECKS, HEALTH_THREADS = 128, 2

WATCHES, CONNECTION_WATCHES = 32, 8
"""Each uses a thread while it is open."""

APART_CALLS, APART_THREADS = 64, 4
"""Calls at a time of services that must always be answered. A frontend process has at most two such calls."""

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.so_reuseport", 0),  # otherwise a second server on the port would share it, silently
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # A ping that arrives earlier than this after the last one is a strike, and the third strike ends the connection
    # (`too_many_pings`). It is a second less than PING_SECONDS, for timers and networks that are early or late.
    ("grpc.http2.min_ping_interval_without_data_ms", (PING_SECONDS - 1) * 1_000),
    ("grpc.http2.max_ping_strikes", 2),
    # Without it, pings while there are no calls may come every two hours.
    ("grpc.keepalive_permit_without_calls", 1),
    # A client that is frozen or has vanished is dropped after the first two together, also if it only gets answers:
    # without the third, the server sends two pings and then no more until it has sent data.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_concurrent_streams", CONNECTION_CALLS),
    # A connection without an HTTP/2 preface is closed after this.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # A connection without a call is closed after this, also if it sends pings. Clients connect again by themselves.
    ("grpc.max_connection_idle_ms", 2 * 60_000),
    # The grace is longer than the longest stream.
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", int(STREAM_SECONDS + CLIENT_SECONDS) * 1_000),
]


@dataclass(frozen=True)
class Service:
    """A service and its servicer. `add` is the generated add_…Servicer_to_server."""

    descriptor: ServiceDescriptor
    servicer: Any
    add: Callable[[Any, grpc.Server], None]
    is_apart: bool = False
    """Whether its calls run in the lane `apart`."""


@dataclass(frozen=True)
class Limits:
    """The limits of a server."""

    threads: int
    """Short calls that run at a time; more wait for their turn."""
    concurrent_calls: int
    """Reads that run or wait, and as many writes; further calls are refused with RESOURCE_EXHAUSTED."""
    grace_seconds: float
    """How long running calls may go on after SIGTERM."""


class Server:
    """The gRPC server of one process, with health, reflection, limits and drain."""

    def __init__(self, limits: Limits, contract: bytes, options: Sequence[tuple[str, Any]] = OPTIONS) -> None:
        """Make a server that listens nowhere yet, with some `options` of gRPC.

        `contract` is what reflection serves: see `add_reflection`.
        """
        self._limits = limits
        self._contract = contract
        self._calls = OpenCalls()
        # For short calls. Writes wait for one another, so they never use all of its threads (if it has two or more).
        self._pool = Workers(limits.threads, "call")
        threads = STREAMS + LONG_CALLS + WATCHES + HEALTH_THREADS + APART_THREADS
        # For long calls. It has a thread for each call that its lanes let run; threads start when they are needed.
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
        # `library-rest` uses one connection for all its clients, so one connection may use most of the places.
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

    def add(self, services: Iterable[Service], guard: Guard | None = None, reflection: str = OPEN) -> None:
        """Serve these services, health and reflection. The guard decides who may call the services.

        `reflection` is OPEN, CLOSED, or SIGNED_IN for callers who have a token that the guard accepts.
        """
        for service in services:
            service.servicer.guard = guard
            service.add(service.servicer, self.grpc)
            self._names.append(service.descriptor.full_name)
            if service.is_apart:
                self._preparing.set_apart(service.descriptor.full_name)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        if reflection != CLOSED:
            check = guard.check_signed_in if guard is not None and reflection == SIGNED_IN else None
            add_reflection(self.grpc, [*self._names, SERVICE_NAME], self._contract, check)
        self._report()

    def listen(self, address: str, tls: ServerTls | None = None) -> str:
        """Listen, and return the address with the port. Health is NOT_SERVING and calls are refused until `open`.

        Raises:
            AddressTaken: Another program listens there.
            TlsSettingsError: The files of `tls` cannot be used.
        """
        credentials = tls.credentials() if tls else None
        try:
            if credentials is None:
                port = self.grpc.add_insecure_port(address)
            else:
                port = self.grpc.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise AddressTaken(address) from error
        self._calls.start()
        self.grpc.start()
        return f"{address.rpartition(':')[0]}:{port}"

    def open(self) -> None:
        """Let calls in, as the store is ready."""
        self._calls.register.is_open = True
        self._report()

    def report(self, service: str, *, serves: bool, reason: str = "") -> None:
        """Set the health of one service, by its full name; the server as a whole serves while all services do.

        A service serves while no `reason` for which it was reported is against it. Only its health changes: calls are
        still let in. Can be called at any time and from any thread.
        """
        with self._health_lock:
            (self._paused.discard if serves else self._paused.add)((service, reason))
        self._report()

    def report_store(self, store: Store, services: Iterable[str]) -> None:
        """Report these services, by their full names, as NOT_SERVING while the store cannot be written."""

        def report(is_writable: bool) -> None:
            for service in services:
                self.report(service, serves=is_writable, reason="store")

        store.writability.report = report

    def drain(self, interrupt: Callable[[], None] = lambda: None) -> None:
        """Take no more calls, and return when no handler is running. The store may be closed then.

        Running calls may go on for the grace. Then their clients get an error, and `interrupt` is called: it ends calls
        to other services that handlers wait for, so that a hanging service does not delay the stop. All handlers,
        also those of streams, still commit or roll back.
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


def try_this(address: str, tls: ServerTls | None) -> str:
    """Return a command that lists the services at an address."""
    if tls is None:
        return f"grpcurl -plaintext {address} list"
    ca = tls.certificate.with_name("ca.pem")  # where `library certs` writes it
    return f"grpcurl -cacert {ca} {address} list" if ca.exists() else f"grpcurl {address} list"


class StopSignal:
    """SIGTERM or SIGINT, which from here on end the wait and not the process. Made in the main thread.

    A server makes it before its health is SERVING, as it may be stopped as soon as it is.
    """

    def __init__(self) -> None:
        """Catch the two signals."""
        # Not an Event: a signal handler that sets one while the main thread is about to wait for it waits for ever. The
        # byte is written when the signal arrives, in any thread, so it can be read even if the wait begins later.
        self._waiting, self._written = socket.socketpair()
        self._written.setblocking(False)
        signal.set_wakeup_fd(self._written.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def wait(self) -> None:
        """Wait for the first of them since it was made."""
        with self._waiting, self._written:
            self._waiting.recv(1)
            signal.set_wakeup_fd(-1)
