"""Imports as operations, whose servers are killed (SIGKILL) while they import: every record is there once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.longrunning.operations_pb2 import GetOperationRequest, Operation
from google.longrunning.operations_pb2_grpc import OperationsStub

from admin_server.store.models import Book, Item
from library.admin.v1.import_service_pb2 import ImportConfig, ImportSummary
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from service_kit.statements import tuples
from tests.support.import_operations import json_lines, messages, progress, some_books, summary
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases, bound_store

DEADLINE_SECONDS = 300.0


class Followed:
    """An import on servers that are killed."""

    def __init__(self, servers: list[ServerProcess], file: bytes, config: ImportConfig) -> None:
        self.servers = servers
        stub = ImportServiceStub(servers[0].channel())
        self.started: Operation = stub.StartImport(messages(file, config, 900_000), timeout=100)

    def now(self) -> Operation | None:
        """Return the operation as a server shows it; None while none answers."""
        for server in self.servers:
            if server.is_running:
                try:
                    stub: Any = OperationsStub(server.channel())
                    found: Operation = stub.GetOperation(GetOperationRequest(name=self.started.name), timeout=10)
                except grpc.RpcError:
                    continue
                return found
        return None

    def records(self) -> int:
        """Return how many records are imported."""
        found = self.now()
        return progress(found).summary.record_count if found is not None else 0

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait for what must come."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, "\n".join(server.log_tail(3_000) for server in self.servers)
            time.sleep(0.05)

    def ended(self) -> Operation:
        """Wait for the end and return it."""
        found: list[Operation] = []

        def is_done() -> bool:
            operation = self.now()
            found[:] = [] if operation is None else [operation]
            return operation is not None and operation.done

        self.wait_until(is_done)
        return found[0]

    def worker(self) -> ServerProcess:
        """Wait until a server works on it; return that one."""

        def at_work() -> list[ServerProcess]:
            found = [
                (event["timestamp"], server)
                for server in self.servers
                if server.is_running
                for event in server.log_events()
                if event.get("event") == "an import begins or goes on"
            ]
            return [server for _, server in sorted(found, key=lambda pair: pair[0])][-1:]

        self.wait_until(lambda: bool(at_work()))
        return at_work()[0]


@pytest.fixture(scope="module")
def forkery() -> None:
    """Fork no servers: a process that was killed is replaced by one that starts as an operator starts it."""


def test_an_import_goes_on_after_a_kill(servers: Servers, databases: FreshDatabases) -> None:
    url = databases.migrated("admin", "sqlite")
    server = servers.start("admin", url)
    books = some_books(2_500)
    followed = Followed([server], json_lines([*books, {"title": ""}]), ImportConfig())
    followed.wait_until(lambda: followed.records() > 0)
    server.kill()
    server.start()
    ended = followed.ended()
    assert summary(ended) == ImportSummary(record_count=2_501, added_count=2_500, refused_count=1, problem_count=1)
    server.stop()
    assert_once(url, books)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [12])
def test_an_import_is_complete_after_kills_at_any_moment(
    servers: Servers, databases: FreshDatabases, engine: Engine, kills: int, chance: random.Random
) -> None:
    url = databases.migrated("admin", engine)
    server = servers.start("admin", url)
    books = some_books(20_000)
    followed = Followed([server], json_lines(books), ImportConfig())
    for _ in range(kills):
        before = followed.records()
        followed.wait_until(lambda before=before: followed.records() > before)  # type: ignore[misc]
        time.sleep(chance.random())
        server.kill()
        server.start()
        if chance.random() < 0.3:  # again, before it can have gone on
            server.kill()
            server.start()
    assert summary(followed.ended()) == ImportSummary(record_count=20_000, added_count=20_000)
    server.stop()
    assert_once(url, books)


@pytest.mark.slow
def test_another_process_takes_over_from_one_that_is_killed(
    servers: Servers, databases: FreshDatabases, chance: random.Random
) -> None:
    url = databases.migrated("admin", "postgresql")
    both = [servers.start("admin", url) for _ in range(2)]
    books = some_books(15_000)
    followed = Followed(both, json_lines(books), ImportConfig())
    for _ in range(4):
        before = followed.records()
        followed.wait_until(lambda before=before: followed.records() > before)  # type: ignore[misc]
        time.sleep(chance.random())
        killed = followed.worker()
        killed.kill()
        at = followed.records()
        began = time.monotonic()
        followed.wait_until(lambda at=at: followed.records() > at)  # type: ignore[misc]
        assert time.monotonic() - began < 60  # on a busy machine; the lease lasts 5
        killed.start()
    assert summary(followed.ended()) == ImportSummary(record_count=15_000, added_count=15_000)
    for server in both:
        server.stop()
    assert_once(url, books)


def assert_once(url: str, books: list[dict[str, object]]) -> None:
    """Check that each book is there once, with one item, as a plain import would make it."""
    with bound_store("admin", url) as store, store.reading():
        assert sorted(tuples(Book.select(Book.isbn, Book.total_copies))) == sorted(
            (str(book["isbn"]), 1) for book in books
        )
        assert Item.select().count() == len(books)
        assert store.database.execute_sql("SELECT count(*) FROM import_chunk").fetchone()[0] == 0
