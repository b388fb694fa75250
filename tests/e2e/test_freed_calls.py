"""A call that is over is freed at once: nothing of it waits for the garbage collector, which sees no bytes outside."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import pytest
from grpc import _server

from admin_server.rpc.servicers import services
from library.admin.v1.catalog_service_pb2 import AddBookRequest, GetBookRequest, ImportBooksRequest, ListBooksRequest
from library_domain.contract import contract_descriptors
from service_kit.calls.call import Call
from service_kit.calls.steps.step import Method
from service_kit.clock import system_clock
from service_kit.errors import NotServing
from service_kit.server import Limits, Server, Service
from service_kit.servicer import refuse, with_steps
from tests.support.clients import AdminClient, open_channel, refusal_of
from tests.support.stores import FreshDatabases, bound_store
from tests.support.stubborn_clients import StubbornClient

SECONDS = 100.0
CALLS = 20


class Handlers:
    """One handler of each kind. Those that wait are released by `may_end`."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def answer(self, request: Any, context: Any) -> bytes:
        return b"x" * 1_000

    def refusing(self, request: Any, context: Any) -> bytes:
        refuse(context, NotServing(), "test.Calls/Refusing")

    def wait(self, request: Any, context: Any) -> bytes:
        self.may_end.wait(SECONDS)
        return b""

    def read(self, requests: Any, context: Any) -> bytes:
        return b"".join(requests)

    def send(self, request: Any, context: Any) -> Iterator[bytes]:
        for _ in range(3):
            yield b"x"

    def generic(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            "test.Calls",
            {
                "Answer": grpc.unary_unary_rpc_method_handler(self.answer),
                "Refusing": grpc.unary_unary_rpc_method_handler(self.refusing),
                "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
                "Read": grpc.stream_unary_rpc_method_handler(partial(READ, self)),
                "Send": grpc.unary_stream_rpc_method_handler(partial(SEND, self)),
            },
        )


READ = with_steps(Handlers.read, Method("test.Calls/Read", request_streaming=True, checks_its_messages=True))
SEND = with_steps(Handlers.send, Method("test.Calls/Send", response_streaming=True, checks_its_messages=True))


@contextmanager
def serving(handlers: Handlers, of_admin: Iterable[Service] = ()) -> Iterator[str]:
    server = Server(Limits(threads=2, concurrent_calls=4, grace_seconds=1), contract_descriptors())
    server.grpc.add_generic_rpc_handlers((handlers.generic(),))
    server.add(of_admin)
    address = server.listen("127.0.0.1:0")
    server.open()
    try:
        yield address
    finally:
        handlers.may_end.set()
        server.drain()


def in_memory() -> list[object]:
    """The calls of all servers in this process: ours, and grpcio's state of each."""
    return [each for each in gc.get_objects() if type(each) in (Call, _server._RPCState)]


def unary(channel: grpc.Channel, method: str, request: bytes = b"", **options: Any) -> Any:
    call: Any = channel.unary_unary(f"/test.Calls/{method}")
    return call.future(request, timeout=SECONDS, **options)


def answered(handlers: Handlers, address: str) -> None:
    with open_channel(address) as channel:
        for _ in range(CALLS):
            assert unary(channel, "Answer").result()


def refused(handlers: Handlers, address: str) -> None:
    with open_channel(address) as channel:
        assert {unary(channel, "Refusing").code() for _ in range(CALLS)} == {grpc.StatusCode.UNAVAILABLE}


def unknown(handlers: Handlers, address: str) -> None:
    with open_channel(address) as channel:
        assert {unary(channel, "Missing").code() for _ in range(CALLS)} == {grpc.StatusCode.UNIMPLEMENTED}


def refused_for_want_of_places(handlers: Handlers, address: str) -> None:
    with open_channel(address) as channel:
        calls = [unary(channel, "Wait") for _ in range(CALLS)]
        first: Any = next(call for call in iter_done(calls))
        assert first.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        handlers.may_end.set()
        assert {call.code() for call in calls} == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def iter_done(calls: list[Any]) -> Iterator[Any]:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        yield from (call for call in calls if call.done())
        time.sleep(0.01)


def cancelled(handlers: Handlers, address: str) -> None:
    """Some of them run and some wait."""
    with open_channel(address) as channel:
        for _ in range(CALLS):
            calls = [unary(channel, "Wait") for _ in range(4)]
            for call in calls:
                call.cancel()
        handlers.may_end.set()


def streams_read(handlers: Handlers, address: str) -> None:
    with open_channel(address) as channel:
        read: Any = channel.stream_unary("/test.Calls/Read")
        for _ in range(CALLS):
            assert read(iter([b"a", b"b"]), timeout=SECONDS) == b"ab"


def streams_cut_off(handlers: Handlers, address: str) -> None:
    with StubbornClient(address) as client:
        for _ in range(CALLS):
            client.reset(client.open("/test.Calls/Read", b"a", ends=False))
        for _ in range(CALLS):
            client.open("/test.Calls/Read", b"a", ends=False)


def streams_sent(handlers: Handlers, address: str) -> None:
    with open_channel(address) as channel:
        send: Any = channel.unary_stream("/test.Calls/Send")
        for _ in range(CALLS):
            assert list(send(b"", timeout=SECONDS)) == [b"x"] * 3


def streams_not_read(handlers: Handlers, address: str) -> None:
    with StubbornClient(address) as client:
        for _ in range(CALLS):
            client.open("/test.Calls/Send", b"")


def headers_only(handlers: Handlers, address: str) -> None:
    with StubbornClient(address) as client:
        for _ in range(CALLS):
            client.reset(client.open("/test.Calls/Answer", None))
        for _ in range(CALLS):
            client.open("/test.Calls/Answer", None)


def answers_not_read(handlers: Handlers, address: str) -> None:
    with StubbornClient(address) as client:
        for _ in range(CALLS):
            client.open("/test.Calls/Answer", b"")


def watches(handlers: Handlers, address: str) -> None:
    with open_channel(address) as channel:
        watch: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
        for _ in range(CALLS):
            call = watch(b"", timeout=SECONDS)
            assert next(call)
            call.cancel()


def reflection(handlers: Handlers, address: str) -> None:
    with open_channel(address) as channel:
        ask: Any = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        for _ in range(CALLS):
            assert list(ask(iter([b"\x3a\x00"]), timeout=SECONDS))


def wait_until_freed() -> None:
    deadline = time.monotonic() + SECONDS
    while count := len(in_memory()):
        assert time.monotonic() < deadline, f"{count} are in memory"
        time.sleep(0.02)


@contextmanager
def no_garbage_collector() -> Iterator[None]:
    gc.collect()
    assert not in_memory()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "make",
    [
        answered,
        refused,
        unknown,
        refused_for_want_of_places,
        cancelled,
        streams_read,
        streams_cut_off,
        streams_sent,
        streams_not_read,
        headers_only,
        answers_not_read,
        watches,
        reflection,
    ],
)
def test_calls_that_are_over_are_freed_without_the_garbage_collector(make: Callable[[Handlers, str], None]) -> None:
    handlers = Handlers()
    with serving(handlers) as address, no_garbage_collector():
        make(handlers, address)
        wait_until_freed()


def admin_answers(client: AdminClient) -> None:
    book = client.catalog.AddBook(AddBookRequest(title="Emma"), timeout=SECONDS)
    assert client.catalog.GetBook(GetBookRequest(id=book.id), timeout=SECONDS) == book
    rows = [ImportBooksRequest(line=line, book=AddBookRequest(title="x" * line)) for line in (0, 1, 10_000)]
    assert len(client.catalog.ImportBooks(iter(rows), timeout=SECONDS).outcomes) == 3


def admin_refuses(client: AdminClient) -> None:
    calls: list[tuple[Callable[..., Any], Any]] = [
        (client.catalog.GetBook, GetBookRequest(id="x")),
        (client.catalog.ListBooks, ListBooksRequest(page_token="x")),
        (client.catalog.AddBook, AddBookRequest()),
    ]
    for method, request in calls:
        with pytest.raises(grpc.RpcError) as refused:
            method(request, timeout=SECONDS)
        assert refusal_of(refused.value).reason


def admin_import_is_cut_off(client: AdminClient) -> None:
    may_go_on = threading.Event()

    def rows() -> Iterator[ImportBooksRequest]:
        yield ImportBooksRequest(line=1, book=AddBookRequest(title="Emma"))
        may_go_on.wait(SECONDS)

    call = client.catalog.ImportBooks.future(rows(), timeout=SECONDS)
    call.cancel()
    may_go_on.set()


@pytest.mark.parametrize("make", [admin_answers, admin_refuses, admin_import_is_cut_off])
def test_calls_of_the_admin_are_freed_too(databases: FreshDatabases, make: Callable[[AdminClient], None]) -> None:
    with bound_store("admin", databases.migrated("admin", "sqlite")) as store:
        handlers = Handlers()
        with serving(handlers, services(store, system_clock)) as address, open_channel(address) as channel:
            client = AdminClient(channel)
            with no_garbage_collector():
                for _ in range(CALLS):
                    make(client)
                wait_until_freed()
