"""Rapid reset: clients that begin calls and reset each at once do not keep other clients out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest

from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.frontend.v1 import lending_service_pb2, member_service_pb2
from tests.support.http2_resets import ResettingClient
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases, ServerName
from tests.sync.agreement import eventually

NO_ADMIN = "127.0.0.1:1"
"""A port where nothing listens: tcpmux, of 1988."""

CONNECTIONS, RESETS = 4, 4_000
"""The number of connections, and of calls that each of them resets."""

MEGABYTE = 2**20

METHODS: dict[str, list[tuple[str, bytes]]] = {
    "admin": [
        ("library.admin.v1.CatalogService/ListBooks", b""),
        ("library.admin.v1.CatalogService/AddBook", admin_catalog.AddBookRequest(title="").SerializeToString()),
        ("library.admin.v1.CatalogService/ImportBooks", b""),
        ("grpc.health.v1.Health/Watch", b""),
    ],
    "frontend": [
        ("library.frontend.v1.CatalogService/ListBooks", b""),
        (
            "library.frontend.v1.LendingService/BorrowBook",
            lending_service_pb2.BorrowBookRequest(
                book_id=str(uuid.UUID(int=1)), user_id=str(uuid.UUID(int=2)), days=1
            ).SerializeToString(),
        ),
        ("library.frontend.v1.SyncService/SyncNow", b""),
        ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b""),
    ],
}


@pytest.fixture(scope="module", params=METHODS)
def server(request: pytest.FixtureRequest, module_servers: Servers, databases: FreshDatabases) -> ServerProcess:
    name: ServerName = request.param
    settings = {"ADMIN_TARGET": NO_ADMIN} if name == "frontend" else {}
    return module_servers.start(name, databases.migrated(name, "sqlite"), **settings)


@contextmanager
def under_attack(server: ServerProcess) -> Iterator[None]:
    """Reset calls of all of the methods meanwhile, and to the end."""

    def attack(method: str, message: bytes) -> int:
        sent = 0
        while sent < RESETS:
            client = ResettingClient(server.address)
            sent += client.reset(method, message, RESETS - sent)
            client.close()
        return sent

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        attacks = [threads.submit(attack, method, message) for method, message in METHODS[server.name]]
        yield
        assert all(attack.result() >= RESETS for attack in attacks)


def call(server: ServerProcess) -> None:
    """Do something that writes, as any client would."""
    if server.name == "admin":
        server.admin().catalog.AddBook(admin_catalog.AddBookRequest(title="Emma"), timeout=100)
    else:
        request = member_service_pb2.EnrollUserRequest(email=f"{uuid.uuid4()}@example.org", first_name="Ada")
        server.frontend().members.EnrollUser(request, timeout=100)


def test_others_are_served_while_calls_are_reset_by_the_thousand(server: ServerProcess) -> None:
    call(server)
    process = psutil.Process(server.pid)
    memory, files = process.memory_info().rss, process.num_fds()
    with under_attack(server):
        for _ in range(10):
            call(server)
    call(server)
    eventually(lambda: process.num_fds() <= files + 30, "the connections are closed")
    assert process.memory_info().rss - memory < 200 * MEGABYTE
    assert "Traceback" not in server.log_tail(10_000_000)
    assert not [event for event in server.log_events() if event["level"] in ("error", "critical")]
