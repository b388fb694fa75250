"""A server that stops closes its store only when no handler is running, streams and SyncNow included."""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from admin_server.store.models import Book as BookRow
from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest, SyncNowRequest
from library_domain.contract import contract_descriptors
from service_kit.calls.handlers import Handler
from service_kit.server import Limits, Server
from service_kit.servicer import IS_LONG_CALL
from tests.support.cancelled_calls import locked
from tests.support.clients import open_channel
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases, bound_store

SECONDS = 100.0
"""More than anything here takes."""


# --- the server in this process ---


class Busy:
    """Handlers that run until they are released; each notes whether the server's `drain` had returned by then."""

    def __init__(self) -> None:
        self.has_begun, self.may_end, self.has_drained = threading.Event(), threading.Event(), threading.Event()
        self.ended_in_time: list[bool] = []

    def run(self) -> bytes:
        self.has_begun.set()
        assert self.may_end.wait(SECONDS)
        self.ended_in_time.append(not self.has_drained.wait(0.5))
        return b""

    def unary(self, request: Any, context: Any) -> bytes:
        return self.run()

    def long_call(self, request: Any, context: Any) -> bytes:
        return self.run()

    def stream_out(self, request: Any, context: Any) -> Iterator[bytes]:
        yield self.run()


setattr(Busy.long_call, IS_LONG_CALL, True)

KINDS: dict[str, Callable[[Busy], Handler]] = {
    "unary": lambda busy: grpc.unary_unary_rpc_method_handler(busy.unary),
    "long call": lambda busy: grpc.unary_unary_rpc_method_handler(busy.long_call),
    "client stream": lambda busy: grpc.stream_unary_rpc_method_handler(busy.unary),
    "server stream": lambda busy: grpc.unary_stream_rpc_method_handler(busy.stream_out),
    "both streams": lambda busy: grpc.stream_stream_rpc_method_handler(busy.stream_out),
}


@contextmanager
def serving(handler: Handler, limits: Limits) -> Iterator[tuple[Server, str]]:
    server = Server(limits, contract_descriptors())
    server.grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Busy", {"Run": handler}),))
    server.add([])
    address = server.listen("127.0.0.1:0")
    server.open()
    try:
        yield server, address
    finally:
        server.grpc.stop(None)


@pytest.mark.parametrize("kind", KINDS)
def test_drain_waits_for_a_handler_that_outlives_the_grace(kind: str) -> None:
    busy = Busy()
    limits = Limits(threads=2, concurrent_calls=10, grace_seconds=0.05)
    with serving(KINDS[kind](busy), limits) as (server, address), open_channel(address) as channel:
        run: Any = channel.stream_stream("/test.Busy/Run")
        call = run(iter([b""]), timeout=SECONDS)
        assert busy.has_begun.wait(SECONDS)

        def drain() -> None:
            server.drain(interrupt=busy.may_end.set)
            busy.has_drained.set()

        draining = threading.Thread(target=drain)
        draining.start()
        with pytest.raises(grpc.RpcError):
            list(call)
        draining.join(SECONDS)
        assert busy.has_drained.is_set()
    assert busy.ended_in_time == [True]


def test_each_server_has_pools_of_its_own() -> None:
    """Two servers that serve the same function: what one runs does not keep the other from stopping."""
    busy = Busy()
    handler = KINDS["client stream"](busy)
    limits = Limits(threads=1, concurrent_calls=10, grace_seconds=0.05)
    with serving(handler, limits) as (_, address), open_channel(address) as channel:
        run: Any = channel.stream_unary("/test.Busy/Run")
        call = run.future(iter([b""]), timeout=SECONDS)
        assert busy.has_begun.wait(SECONDS)
        with serving(handler, limits) as (other, _):
            other.drain()
        busy.has_drained.set()
        busy.may_end.set()
        assert call.result() == b""


def test_long_calls_do_not_keep_others_waiting() -> None:
    busy = Busy()
    limits = Limits(threads=1, concurrent_calls=10, grace_seconds=1)
    with serving(KINDS["long call"](busy), limits) as (_, address), open_channel(address) as channel:
        run: Any = channel.unary_unary("/test.Busy/Run")
        calls = [run.future(b"", timeout=SECONDS) for _ in range(3)]
        assert busy.has_begun.wait(SECONDS)
        health: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert health(b"", timeout=SECONDS)
        busy.may_end.set()
        busy.has_drained.set()
        assert [call.result() for call in calls] == [b""] * 3


# --- servers as processes ---


def check_log(server: ServerProcess) -> list[dict[str, Any]]:
    """The log's events, of which none is a traceback or an error, and the last one is that the server stopped."""
    events = server.log_events()
    assert "Traceback" not in server.log_tail(1_000_000)
    assert [event for event in events if event["level"] in ("error", "critical")] == []
    assert events[-1]["event"] == "stopped"
    return events


@pytest.mark.parametrize("rows", [200, 700])
def test_an_import_that_outlives_the_grace_is_committed_before_the_store_is_closed(
    servers: Servers, databases: FreshDatabases, engine: Engine, rows: int
) -> None:
    url = databases.migrated("admin", engine)
    server = servers.start("admin", url, GRACE="0.1")
    request_id = str(uuid.uuid4())
    stream = (ImportBooksRequest(line=line, book=AddBookRequest(title=f"T{line}")) for line in range(rows))
    with locked(url):
        admin = server.admin()
        call = admin.catalog.ImportBooks.future(stream, timeout=SECONDS, metadata=(("x-request-id", request_id),))
        if rows < 500:
            call.initial_metadata()  # all rows have been read, and the handler waits for the store
        else:
            admin.status.GetStatus(GetStatusRequest(), timeout=SECONDS)  # sent later, so the import has begun
        server.send(signal.SIGTERM)
        assert call.exception() is not None  # the grace is over
        if rows < 500:  # of more, the first 500 may not have come in the grace, and then nothing waits for the store
            assert server.is_running
            assert not any(event["event"] == "stopped" for event in server.log_events())
    assert server.wait() == 0
    events = check_log(server)
    (ended,) = [place for place, event in enumerate(events) if event.get("request_id") == request_id]
    assert ended < len(events) - 1
    assert events[ended]["event"] == ("done, but the call was cancelled" if rows < 500 else "call cancelled")
    with bound_store("admin", url):
        # A part of the first 500 was not taken for the whole.
        assert BookRow.select().count() in ((rows,) if rows < 500 else (0, 500))


class HangingAdmin(grpc.GenericRpcHandler):
    """An admin that answers nothing until it is released."""

    def __init__(self) -> None:
        self.is_asked, self.may_answer = threading.Event(), threading.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        return grpc.unary_unary_rpc_method_handler(self.hang)

    def hang(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.is_asked.set()
        self.may_answer.wait(SECONDS)
        return b""


def test_a_sync_now_with_a_hanging_admin_ends_before_the_store_is_closed(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin, threads = HangingAdmin(), ThreadPoolExecutor(4)
    hanging = grpc.server(threads, handlers=[admin])
    port = hanging.add_insecure_port("127.0.0.1:0")
    hanging.start()
    server = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=f"127.0.0.1:{port}", GRACE="0.1"
    )
    try:
        assert admin.is_asked.wait(SECONDS)
        sync = server.frontend().sync
        calls = [sync.SyncNow.future(SyncNowRequest(), timeout=SECONDS) for _ in range(3)]
        sync.GetSyncStatus(GetSyncStatusRequest(), timeout=SECONDS)  # sent later, so the others have begun
        assert server.stop() == 0
        assert not admin.may_answer.is_set()
        for call in calls:
            assert call.exception() is not None
    finally:
        admin.may_answer.set()
        hanging.stop(None).wait()
        threads.shutdown()
    check_log(server)
