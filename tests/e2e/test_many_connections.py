"""Thousands of connections without a call keep nobody out: they leave files to others, and are closed after a time."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest, GetBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from tests.e2e.test_open_calls import assert_healthy
from tests.support.clients import AdminClient, FrontendClient, open_channel
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.http2 import ACK, PING, PREFACE, SETTINGS, frame
from tests.support.processes import ServerProcess, Servers, ServingProcess
from tests.support.rest import RestServers
from tests.support.stores import FreshDatabases, bound_store

pytestmark = pytest.mark.slow

SECONDS = 100.0
NO_ADMIN = "127.0.0.1:1"
CONNECTIONS = 2_000
FIRST_LIMIT = 256
"""The servers are started with this soft limit, and raise it."""

GREETING = PREFACE + frame(SETTINGS) + frame(SETTINGS, ACK)


@pytest.fixture(scope="module")
def forkery() -> None:
    """Fork no servers: they inherit the limits of this process."""


@contextmanager
def file_limit(soft: int) -> Iterator[None]:
    """Let this process, and those that it starts, open at most `soft` files until they raise the limit."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


@contextmanager
def many_connections(server: ServingProcess, greeting: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that send a greeting at most, as many as this machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(CONNECTIONS, hard // 2 - 200)
    host, _, port = server.address.rpartition(":")
    with file_limit(hard), ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(stack.enter_context(socket.create_connection((host, int(port)), timeout=SECONDS)))
            with suppress(ConnectionError):  # the server may have closed it
                opened[-1].sendall(greeting)
        yield opened


@pytest.fixture(scope="module")
def admin(module_servers: Servers, databases: FreshDatabases) -> ServerProcess:
    with file_limit(FIRST_LIMIT):
        return module_servers.start("admin", databases.migrated("admin", "sqlite"))


@pytest.fixture(scope="module")
def frontend(module_servers: Servers, databases: FreshDatabases) -> tuple[ServerProcess, Callable[[], None]]:
    """A frontend, and what borrows a book there."""
    url = databases.migrated("frontend", "sqlite")
    with bound_store("frontend", url) as store:
        branch = LocalFrontend(store, SettableClock())
        stock = [new_book(f"{number}") for number in range(20)]
        branch.receive(*stock)
        user = branch.user().id
    with file_limit(FIRST_LIMIT):
        server = module_servers.start("frontend", url, ADMIN_TARGET=NO_ADMIN)
    books = iter(stock)

    def borrow() -> None:
        with open_channel(server.address) as channel:
            request = BorrowBookRequest(book_id=next(books).id, user_id=user, days=1)
            FrontendClient(channel).lending.BorrowBook(request, timeout=SECONDS)
            assert_healthy(channel)

    return server, borrow


GREETINGS = pytest.mark.parametrize("greeting", [b"", GREETING], ids=["silent", "idle"])


@GREETINGS
def test_the_frontend_lends_despite_many_connections(
    frontend: tuple[ServerProcess, Callable[[], None]], greeting: bytes
) -> None:
    server, borrow = frontend
    with many_connections(server, greeting) as opened:
        borrow()
        if greeting:
            for connection in opened:
                connection.sendall(frame(PING, payload=bytes(8)))
            borrow()


@GREETINGS
def test_the_admin_serves_despite_many_connections(admin: ServerProcess, greeting: bytes) -> None:
    with many_connections(admin, greeting), open_channel(admin.address) as channel:
        client = AdminClient(channel)
        book = client.catalog.AddBook(AddBookRequest(title="Emma"), timeout=SECONDS)
        assert client.catalog.GetBook(GetBookRequest(id=book.id), timeout=SECONDS) == book
        assert_healthy(channel)


@pytest.mark.parametrize("greeting", [b"", b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["silent", "idle"])
def test_library_rest_serves_despite_many_connections(
    admin: ServerProcess, rest_servers: RestServers, greeting: bytes
) -> None:
    with file_limit(FIRST_LIMIT):
        rest = rest_servers.start([admin.address])
    soft, hard = resource.prlimit(rest.pid, resource.RLIMIT_NOFILE)
    assert soft == hard, "it may open as many files as the system allows"
    with many_connections(rest, greeting):
        assert rest.request("POST", "/admin/v1/books", {"title": "Emma"}).status == 200
        assert rest.request("GET", "/healthz").status == 200


LOW_LIMIT = 300
"""Half of it is for connections."""


def start_with_low_limit(server: ServingProcess) -> None:
    """Start a server that cannot raise its limit. It takes longer to start than to set the limit."""
    server.launch()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (LOW_LIMIT, LOW_LIMIT))
    server.wait_until_serving()


def test_connections_leave_files_to_the_store_where_the_limit_is_low(
    servers: Servers, databases: FreshDatabases
) -> None:
    admin = servers.prepare("admin", databases.migrated("admin", "sqlite"))
    start_with_low_limit(admin)
    with open_channel(admin.address) as channel:
        assert_healthy(channel)
        with many_connections(admin, GREETING):
            assert_healthy(channel)
            AdminClient(channel).catalog.AddBook(AddBookRequest(title="Emma"), timeout=SECONDS)
            assert not is_taken(admin)
        deadline = time.monotonic() + SECONDS
        while not is_taken(admin):  # it notices that they have gone
            assert time.monotonic() < deadline


def is_taken(server: ServingProcess) -> bool:
    """Whether a gRPC server takes a new connection: it sends its settings then. Channels of gRPC may share one."""
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
        connection.sendall(GREETING)
        try:
            return bool(connection.recv(1))
        except ConnectionError:
            return False


def test_library_rest_closes_idle_connections_where_the_limit_is_low(
    admin: ServerProcess, rest_servers: RestServers
) -> None:
    rest = rest_servers.prepare([admin.address])
    start_with_low_limit(rest)
    with many_connections(rest, b""):
        assert rest.request("POST", "/admin/v1/books", {"title": "Emma"}).status == 200
        assert rest.request("GET", "/healthz").status == 200
    assert not [event for event in rest.log_events() if event["level"] == "error"]
