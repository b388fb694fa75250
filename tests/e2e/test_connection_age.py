"""Servers end connections when they reach their age, and nobody notices: calls go on, over another connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from admin_server.rpc.servicers import services
from admin_server.sync.epochs import begin_epoch
from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest, ListBooksRequest
from library.frontend.v1.sync_service_pb2 import SyncNowRequest
from library_domain.contract import contract_descriptors
from service_kit.clock import system_clock
from service_kit.server import OPTIONS, Limits, Server
from service_kit.servicer import IS_READ
from tests.support.clients import AdminClient, open_channel
from tests.support.processes import Servers
from tests.support.rest import RestServers
from tests.support.stores import FreshDatabases, bound_store

pytestmark = pytest.mark.slow

SECONDS = 100.0
AGES = 6
SHORT = {"grpc.max_connection_age_ms": 300, "grpc.max_connection_idle_ms": 200}
"""The connections of each client, with few calls or many, are ended several times in a second."""


def _peer(request: bytes, context: grpc.ServicerContext) -> bytes:
    return context.peer().encode()


setattr(_peer, IS_READ, True)
PEER = grpc.method_handlers_generic_handler("test.Peer", {"Get": grpc.unary_unary_rpc_method_handler(_peer)})


@contextmanager
def admin_with_short_lives(url: str) -> Iterator[str]:
    options = [(name, SHORT.get(name, value)) for name, value in OPTIONS]
    assert options != OPTIONS
    with bound_store("admin", url) as store:
        begin_epoch(store, system_clock)
        server = Server(Limits(threads=4, concurrent_calls=256, grace_seconds=1), contract_descriptors(), options)
        server.grpc.add_generic_rpc_handlers((PEER,))
        server.add(services(store, system_clock))
        address = server.listen("127.0.0.1:0")
        server.open()
        try:
            yield address
        finally:
            server.drain()


@pytest.fixture
def address(databases: FreshDatabases) -> Iterator[str]:
    with admin_with_short_lives(databases.migrated("admin", "sqlite")) as address:
        yield address


def call_for_some_ages(address: str, call: Callable[[], object]) -> None:
    """Call again and again, until another client that does so has had several connections, one after the other."""
    with open_channel(address) as channel:
        get: Any = channel.unary_unary("/test.Peer/Get")
        peers: set[bytes] = set()
        deadline = time.monotonic() + SECONDS
        while len(peers) < AGES:
            assert time.monotonic() < deadline, "its connections are not ended"
            peers.add(get(b"", timeout=SECONDS))
            call()


def test_a_client_that_keeps_calling_sees_no_error(address: str) -> None:
    with open_channel(address) as channel:
        client = AdminClient(channel)

        def call() -> None:
            client.catalog.AddBook(AddBookRequest(title="Emma"), timeout=SECONDS)
            assert client.catalog.ListBooks(ListBooksRequest(page_size=1), timeout=SECONDS).books

        call_for_some_ages(address, call)


def test_a_client_that_pauses_sees_no_error(address: str) -> None:
    """Its connection is ended when it is idle, before each of its calls or while that is under way."""
    with open_channel(address) as channel:
        client = AdminClient(channel)
        pauses = iter(range(10_000))

        def call() -> None:
            client.catalog.ListBooks(ListBooksRequest(page_size=1), timeout=SECONDS)
            time.sleep(0.19 + next(pauses) % 20 / 1_000)

        call_for_some_ages(address, call)


def test_a_stream_outlives_the_age_of_its_connection(address: str) -> None:
    def rows() -> Iterator[ImportBooksRequest]:
        for line in range(3):
            yield ImportBooksRequest(line=line, book=AddBookRequest(title="Emma"))
            call_for_some_ages(address, lambda: None)

    with open_channel(address) as channel:
        assert len(AdminClient(channel).catalog.ImportBooks(rows(), timeout=SECONDS).outcomes) == 3


def test_users_of_the_frontend_and_of_library_rest_see_no_error(
    address: str, servers: Servers, rest_servers: RestServers, databases: FreshDatabases
) -> None:
    frontend = servers.start(
        "frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=address, SYNC_INTERVAL="0.2"
    )
    rest = rest_servers.start([address], CONTRACT_INTERVAL="0.3")
    sync = frontend.frontend().sync

    def call() -> None:
        assert rest.request("POST", "/admin/v1/books", {"title": "Emma"}).status == 200
        status = sync.SyncNow(SyncNowRequest(), timeout=SECONDS)
        assert not status.last_pull_error
        assert not status.last_push_error

    call_for_some_ages(address, call)
    for server in (frontend, rest):
        assert not [event for event in server.log_events() if event["level"] in ("warning", "error")]
