"""Clients that open calls and do not go on with them keep nobody out, and cost the server little."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest, SyncNowRequest
from library.sync.v1.sync_service_pb2 import ListCatalogChangesRequest
from tests.support.clients import AdminClient, FrontendClient, open_channel, refusal_of
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.processes import ROOT, ServerProcess, Servers
from tests.support.stores import FreshDatabases, bound_store
from tests.support.stubborn_clients import StubbornClient

SECONDS = 100.0
"""Long enough on the busiest machine."""

NO_ADMIN = "127.0.0.1:1"
MEGABYTE = 1024 * 1024
BIG_BOOKS, BORROWED = 120, 400
LIST_BOOKS = "/library.frontend.v1.CatalogService/ListBooks"
GET_BOOK = "/library.frontend.v1.CatalogService/GetBook"
BORROW_BOOK = "/library.frontend.v1.LendingService/BorrowBook"
SYNC_NOW = "/library.frontend.v1.SyncService/SyncNow"
IMPORT_BOOKS = "/library.admin.v1.CatalogService/ImportBooks"
WATCH, CHECK = "/grpc.health.v1.Health/Watch", "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


class Desk:
    """A frontend, and a patron at it who must be served no matter what the other clients do."""

    def __init__(self, server: ServerProcess, books: list[str], user: str) -> None:
        self.server = server
        self.address = server.address
        self._books = iter(books)
        self._user = user

    def serve(self) -> None:
        """Borrow a book, look at one and ask for the health, on a new connection."""
        with open_channel(self.address) as channel:
            book = next(self._books)
            server = FrontendClient(channel)
            server.lending.BorrowBook(BorrowBookRequest(book_id=book, user_id=self._user, days=1), timeout=SECONDS)
            server.catalog.GetBook(GetBookRequest(id=book), timeout=SECONDS)
            assert_healthy(channel)

    def list_books(self) -> None:
        """List the large books, on a new connection."""
        with open_channel(self.address) as channel:
            request = ListBooksRequest(page_size=100)
            assert FrontendClient(channel).catalog.ListBooks(request, timeout=SECONDS).books

    def megabytes(self) -> float:
        """The memory of the server."""
        return psutil.Process(self.server.pid).memory_info().rss / MEGABYTE


def assert_healthy(channel: grpc.Channel) -> None:
    check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]  # its stubs forget it
    assert check(health_pb2.HealthCheckRequest(), timeout=SECONDS).status == health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def desk(module_servers: Servers, databases: FreshDatabases) -> Desk:
    url = databases.migrated("frontend", "sqlite")
    with bound_store("frontend", url) as store:
        branch = LocalFrontend(store, SettableClock())
        small = [new_book(f"Z{number}") for number in range(BORROWED)]
        large = [new_book(f"A{number}", description="x" * 20_000) for number in range(BIG_BOOKS)]
        branch.receive(*small, *large)
        user = branch.user().id
    server = module_servers.start("frontend", url, ADMIN_TARGET=NO_ADMIN, LOAN_LIMIT=f"{BORROWED}")
    return Desk(server, [book.id for book in small], user)


@pytest.fixture(scope="module")
def admin(module_servers: Servers, databases: FreshDatabases) -> ServerProcess:
    return module_servers.start("admin", databases.migrated("admin", "sqlite"))


@pytest.fixture
def connect() -> Iterator[Callable[[ServerProcess | Desk], StubbornClient]]:
    """Connections of stubborn clients, closed at the end of the test."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(StubbornClient(server.address))


Connect = Callable[[ServerProcess | Desk], StubbornClient]


@pytest.mark.parametrize("path", [GET_BOOK, BORROW_BOOK, LIST_BOOKS, SYNC_NOW, CHECK, WATCH])
def test_calls_of_headers_only_do_not_block_others(desk: Desk, connect: Connect, path: str) -> None:
    for _ in range(5):
        client = connect(desk)
        for _ in range(120):
            client.open(path, None)
    desk.serve()
    desk.serve()


def test_answers_that_nobody_reads_do_not_block_others(desk: Desk, connect: Connect) -> None:
    """Small ones: without bytes to speak of, each call is what is held."""
    for _ in range(5):
        client = connect(desk)
        for _ in range(120):
            client.open(CHECK, b"")
            client.open(GET_BOOK, GetBookRequest(id="x").SerializeToString())
    desk.serve()
    desk.serve()


def test_watches_that_nobody_reads_do_not_block_health_checks(desk: Desk, connect: Connect) -> None:
    for _ in range(5):
        client = connect(desk)
        for _ in range(100):
            client.open(WATCH, b"")
    desk.serve()
    with open_channel(desk.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch  # type: ignore[attr-defined]
        while True:  # until one of those has waited long enough to lose its place
            try:
                answer = next(watch(health_pb2.HealthCheckRequest(), timeout=SECONDS))
            except grpc.RpcError as error:
                assert refusal_of(error).reason == "SERVER_BUSY"
            else:
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
                break


@pytest.mark.parametrize("path", [IMPORT_BOOKS, REFLECTION])
def test_streams_that_do_not_move_do_not_block_others(admin: ServerProcess, connect: Connect, path: str) -> None:
    for _ in range(4):
        client = connect(admin)
        for _ in range(80):
            client.open(path, b"" if path == IMPORT_BOOKS else b"\x3a\x00", ends=False)
    with open_channel(admin.address) as channel:
        librarian = AdminClient(channel)
        assert_healthy(channel)
        librarian.status.GetStatus(GetStatusRequest(), timeout=SECONDS)
        librarian.sync.ListCatalogChanges(ListCatalogChangesRequest(), timeout=SECONDS)
        librarian.catalog.AddBook(AddBookRequest(title="Emma"), timeout=SECONDS)
        rows = [ImportBooksRequest(line=1, book=AddBookRequest(title="Emma"), validate_only=True)]
        for _ in itertools.count():
            try:
                outcomes = librarian.catalog.ImportBooks(iter(rows), timeout=SECONDS).outcomes
            except grpc.RpcError as error:
                assert refusal_of(error).reason == "SERVER_BUSY"
            else:
                assert len(outcomes) == 1
                break


def test_calls_that_are_reset_at_once_do_not_block_others(desk: Desk, connect: Connect) -> None:
    message = ListBooksRequest(page_size=100).SerializeToString()
    client = connect(desk)
    for _ in range(1_000):
        if client.has_ended.is_set():  # gRPC itself ends a connection that resets too much
            client = connect(desk)
        try:
            client.reset(client.open(LIST_BOOKS, message))
        except OSError:
            client = connect(desk)
    desk.serve()


def test_unknown_methods_count_like_others(desk: Desk, connect: Connect) -> None:
    for _ in range(5):
        client = connect(desk)
        for _ in range(120):
            client.open("/library.frontend.v1.CatalogService/NoMethod", b"", ends=False)
    desk.serve()
    with open_channel(desk.address) as channel:
        method: Any = channel.unary_unary("/library.frontend.v1.CatalogService/NoMethod")
        with pytest.raises(grpc.RpcError) as refused:
            method(b"", timeout=SECONDS)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.slow
def test_large_answers_that_nobody_reads_take_bounded_memory(desk: Desk, connect: Connect) -> None:
    """1,400 lists of 2 MB took 5.5 GB."""
    desk.list_books()
    before = desk.megabytes()
    message = ListBooksRequest(page_size=100).SerializeToString()
    most = before
    for number in range(28):
        client = connect(desk)
        for _ in range(50):
            client.open(LIST_BOOKS, message)
        desk.serve()
        if number % 4 == 0:
            desk.list_books()
        most = max(most, desk.megabytes())
    print(f"server: {before:.0f} MB before, at most {most:.0f} MB")
    assert most < before + 400


DESCRIBE = b"\x22" + bytes([len(LIST_BOOKS.split("/")[1])]) + LIST_BOOKS.split("/")[1].encode()
"""A request to reflection for the file of a service, and all that it needs."""


@pytest.mark.slow
@pytest.mark.parametrize(("path", "message"), [(REFLECTION, DESCRIBE), (WATCH, b"")])
def test_streams_that_nobody_reads_take_bounded_memory(desk: Desk, connect: Connect, path: str, message: bytes) -> None:
    desk.serve()
    before = desk.megabytes()
    for _ in range(28):
        client = connect(desk)
        for _ in range(50):
            client.open(path, message)
        desk.serve()
    growth = desk.megabytes() - before
    print(f"server: {before:.0f} MB before, {growth:.0f} MB more")
    assert growth < 200


@pytest.mark.slow
def test_outcomes_of_imports_that_nobody_reads_take_bounded_memory(admin: ServerProcess, connect: Connect) -> None:
    row = ImportBooksRequest(book=AddBookRequest(title="x"), validate_only=True).SerializeToString()
    before = psutil.Process(admin.pid).memory_info().rss / MEGABYTE
    for _ in range(20):
        client = connect(admin)
        for _ in range(20):
            client.open_with(IMPORT_BOOKS, [row] * 500)
    with open_channel(admin.address) as channel:
        AdminClient(channel).catalog.AddBook(AddBookRequest(title="Emma"), timeout=SECONDS)
        assert_healthy(channel)
    growth = psutil.Process(admin.pid).memory_info().rss / MEGABYTE - before
    print(f"admin: {before:.0f} MB before, {growth:.0f} MB more")
    assert growth < 200


@pytest.mark.slow
def test_calls_that_do_not_move_are_ended(desk: Desk, admin: ServerProcess, connect: Connect) -> None:
    """After 30 seconds. An answer that is not read can only be dropped."""
    client = connect(desk)
    streams = {
        client.open(GET_BOOK, None),
        client.open(LIST_BOOKS, ListBooksRequest(page_size=100).SerializeToString()),
        client.open(REFLECTION, b"\x3a\x00", ends=False),
    }
    importing = connect(admin)
    imports = {importing.open(IMPORT_BOOKS, b"", ends=False)}
    client.wait_for_end(streams, SECONDS)
    importing.wait_for_end(imports, SECONDS)
    assert not client.has_ended.is_set()
    assert not importing.has_ended.is_set()


def test_many_sync_now_while_the_admin_is_down_do_not_block_others(desk: Desk) -> None:
    """300 of them took 10.4 seconds, one after the other."""
    with ExitStack() as stack:
        channels = [stack.enter_context(open_channel(desk.address)) for _ in range(3)]
        calls = [
            FrontendClient(channel).sync.SyncNow.future(SyncNowRequest(), timeout=SECONDS)
            for channel in channels
            for _ in range(100)
        ]
        desk.serve()
        errors = [call.exception() for call in calls]
    reasons = {refusal_of(error).reason for error in errors if isinstance(error, grpc.RpcError)}
    assert None not in errors
    assert "ADMIN_UNAVAILABLE" in reasons
    assert reasons <= {"ADMIN_UNAVAILABLE", "SERVER_BUSY"}


@pytest.mark.slow
def test_many_sync_now_while_the_admin_hangs_do_not_block_others(servers: Servers, databases: FreshDatabases) -> None:
    """It takes connections and never answers. Each caller has an answer as soon as the run under way has failed."""
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    url = databases.migrated("frontend", "sqlite")
    with bound_store("frontend", url) as store:
        branch = LocalFrontend(store, SettableClock())
        small = [new_book(f"{number}") for number in range(20)]
        branch.receive(*small)
        user = branch.user().id
    # Before the frontend starts: the admin has none of its books, and a first sync would take them away.
    admin.send(signal.SIGSTOP)
    try:
        frontend = servers.start("frontend", url, ADMIN_TARGET=admin.address)
        desk = Desk(frontend, [book.id for book in small], user)
        with ExitStack() as stack:
            # Each with a connection of its own, which channels share otherwise.
            options = [("grpc.use_local_subchannel_pool", 1)]
            channels = [stack.enter_context(grpc.insecure_channel(desk.address, options)) for _ in range(3)]
            calls = [
                FrontendClient(channel).sync.SyncNow.future(SyncNowRequest(), timeout=SECONDS)
                for channel in channels
                for _ in range(100)
            ]
            for _ in range(3):
                desk.serve()
                status = frontend.frontend().sync.GetSyncStatus(GetSyncStatusRequest(), timeout=SECONDS)
                assert status.admin_target == admin.address
            errors = [call.exception() for call in calls]
            reasons = {refusal_of(error).reason for error in errors if isinstance(error, grpc.RpcError)}
        assert None not in errors
        # How many are refused for the number of calls depends on how quickly they come.
        assert "ADMIN_UNAVAILABLE" in reasons
        assert reasons <= {"ADMIN_UNAVAILABLE", "SERVER_BUSY"}
    finally:
        admin.send(signal.SIGCONT)
    deadline = time.monotonic() + SECONDS
    while True:  # until the frontend has a connection again
        try:
            frontend.frontend().sync.SyncNow(SyncNowRequest(), timeout=SECONDS)
        except grpc.RpcError as error:
            assert refusal_of(error).reason == "ADMIN_UNAVAILABLE"
            assert time.monotonic() < deadline
        else:
            break


def connections_of(server: ServerProcess) -> list[Any]:
    """The connections of a server's clients."""
    connections: list[Any] = psutil.Process(server.pid).net_connections()
    return [each for each in connections if each.raddr]


FROZEN_CLIENT = """
import sys
from tests.support.stubborn_clients import StubbornClient
client = StubbornClient(sys.argv[1])
for _ in range(260):
    client.open(sys.argv[2], None)
print(client.port, flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_frozen_client_does_not_block_others_and_is_disconnected(desk: Desk) -> None:
    """By the server's keepalive: its system still acknowledges all that is sent."""
    command = [sys.executable, "-c", FROZEN_CLIENT, desk.address, GET_BOOK]
    client = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ))
    try:
        assert client.stdout is not None
        port = int(client.stdout.readline())
        client.send_signal(signal.SIGSTOP)
        desk.serve()
        deadline = time.monotonic() + SECONDS
        while port in {each.raddr.port for each in connections_of(desk.server)}:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        desk.serve()
    finally:
        client.kill()
        client.communicate()
