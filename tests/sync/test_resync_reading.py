"""While the catalogue is read again, patrons read and borrow on: no book that stays is missing for a moment."""

from __future__ import annotations

import random
import threading
import time
from datetime import datetime

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest
from library.frontend.v1.catalog_service_pb2 import GetBookRequest
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from tests.support.clients import FrontendClient
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import (
    assert_no_copy_was_lent_twice,
    catalogue,
    eventually,
    has_books,
    knows,
    replica,
    wait_until_they_agree,
)
from tests.sync.retrying_clients import Patron, at_work

pytestmark = pytest.mark.slow

BOOKS = 2_500
RESYNCS = 2


class Reader(threading.Thread):
    """Gets books and lists the whole catalogue, over and over; notes when, and what was missing."""

    def __init__(self, frontend: FrontendClient, expected: set[str], chance: random.Random) -> None:
        super().__init__()
        self.missing: list[str] = []
        self.failure: Exception | None = None
        self.gets: list[float] = []
        self.lists: list[tuple[float, float]] = []
        self._frontend, self._expected, self._chance = frontend, sorted(expected), chance
        self._is_leaving = threading.Event()

    def run(self) -> None:
        while not self._is_leaving.is_set():
            try:
                for book_id in self._chance.sample(self._expected, 40):
                    self.gets.append(time.time())
                    book = self._frontend.catalog.GetBook(GetBookRequest(id=book_id), timeout=100)
                    if book.state != BOOK_STATE_ACTIVE:
                        self.missing.append(book_id)
                began = time.time()
                self.missing += set(self._expected) - replica(self._frontend).keys()
                self.lists.append((began, time.time()))
            except grpc.RpcError as failure:
                self.failure = failure
                return

    def leave(self) -> None:
        self._is_leaving.set()
        self.join()
        if self.failure is not None:
            raise self.failure


def test_no_book_that_stays_is_missing_during_a_resync(
    servers: Servers, databases: FreshDatabases, engine: Engine, chance: random.Random
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    rows = [ImportBooksRequest(line=i, book=AddBookRequest(title=f"Book {i}", copies=2)) for i in range(1, BOOKS + 1)]
    admin.admin().catalog.ImportBooks(iter(rows), timeout=60)
    staying = catalogue(admin.admin())
    assert len(staying) == BOOKS
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    client = frontend.frontend()
    eventually(has_books(client, BOOKS), "the catalogue is there")
    admin.stop()
    backup = databases.copy(admin.database_url)
    reader = Reader(frontend.frontend(), set(staying), random.Random(chance.random()))
    patron = Patron(frontend.frontend(), list(staying.values()), random.Random(chance.random()))

    with at_work([patron]):
        reader.start()
        resync = 0
        # On a busy machine a resync can pass between two readings: then there is another one.
        while resync < RESYNCS or not _was_read_during(reader, _resyncs(frontend)):
            resync += 1
            admin.start()
            later = admin.admin().catalog.AddBook(AddBookRequest(title=f"After the backup {resync}"), timeout=100)
            eventually(knows(client, later), "a book is added")
            admin.kill()
            admin.database_url = databases.copy(backup)
            admin.start()
            eventually(has_books(client, BOOKS), "it is swept")
            assert len(_resyncs(frontend)) == resync
            admin.stop()
        admin.start()
        reader.leave()

    assert not reader.missing
    assert not patron.retries
    wait_until_they_agree(admin.admin(), client)
    assert_no_copy_was_lent_twice(patron.loans.values(), dict.fromkeys(staying, 2))


def _was_read_during(reader: Reader, spans: list[tuple[float, float]]) -> bool:
    """Whether books were read, and the whole list, while the catalogue was read again."""
    gets, lists = list(reader.gets), list(reader.lists)
    gets_during = sum(began < moment < ended for moment in gets for began, ended in spans)
    lists_during = sum(began < last and first < ended for first, last in lists for began, ended in spans)
    return gets_during >= RESYNCS and lists_during > 0


def _resyncs(frontend: ServerProcess) -> list[tuple[float, float]]:
    """Begin and end of each resync in seconds since 1970, without the first reading of the catalogue."""
    began, ended = (
        [
            datetime.fromisoformat(event["timestamp"]).timestamp()
            for event in frontend.log_events()
            if event["event"].startswith(words)
        ]
        for words in ("the admin was restored from a backup", "catalogue read completely")
    )
    return list(zip(began, ended[1:], strict=False))
