"""Sixteen borrowers on a disk that takes a second for each commit: readers do not wait, and late calls do no work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import grpc
import psycopg
import pytest

from frontend_server.store.models import Loan
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from tests.support.clients import FrontendClient, open_channel, refusal_of
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.processes import ServerProcess, Servers
from tests.support.slow_disk import SlowDisk
from tests.support.stores import Engine, FreshDatabases, bound_store

pytestmark = pytest.mark.slow

NO_ADMIN = "127.0.0.1:1"
LONG, SHORT = 100.0, 2.0
"""Deadlines of calls, in seconds."""
RUN_SECONDS = 20.0
BORROWERS, READERS = 16, 2
BOOKS = 4_000
MOST_READ_SECONDS, MOST_BORROW_SECONDS = 5.0, 25.0
"""Generous for a loaded machine. A read waited for 25 seconds, a loan for 32."""


@dataclass
class Outcomes:
    """What came of the calls, and how long the slowest took."""

    counts: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)
    lent: set[str] = field(default_factory=set)
    late: dict[str, float] = field(default_factory=dict)
    """When the deadline was of each book whose call came too late for it, in seconds of the clock."""
    reasons: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, began: float) -> None:
        self.longest[kind] = max(self.longest.get(kind, 0.0), time.monotonic() - began)


class Desk:
    """A frontend with books for one patron."""

    def __init__(self, server: ServerProcess, books: list[str], user: str) -> None:
        self.server = server
        self.books = books
        self._left = iter(books)
        self._user = user

    def run(self) -> Outcomes:
        """Let borrowers and readers call for some time. Every second borrower has a short deadline."""
        outcomes = Outcomes()
        until = time.monotonic() + RUN_SECONDS
        with open_channel(self.server.address) as channel, ThreadPoolExecutor(BORROWERS + READERS) as threads:
            client = FrontendClient(channel)
            tasks = [
                threads.submit(self._borrow, client, outcomes, until, LONG if number % 2 else SHORT)
                for number in range(BORROWERS)
            ]
            tasks += [threads.submit(self._read, client, outcomes, until) for _ in range(READERS)]
            for task in tasks:
                task.result()
        return outcomes

    def _borrow(self, client: FrontendClient, outcomes: Outcomes, until: float, seconds: float) -> None:
        while time.monotonic() < until:
            book = next(self._left)
            request = BorrowBookRequest(book_id=book, user_id=self._user, days=1, request_id=str(uuid4()))
            began, deadline = time.monotonic(), time.time() + seconds
            try:
                client.lending.BorrowBook(request, timeout=seconds)
            except grpc.RpcError as error:
                refusal = refusal_of(error)
                outcomes.counts[refusal.code.name] += 1
                if refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                    outcomes.late[book] = deadline
                else:
                    outcomes.reasons[refusal.reason] += 1
            else:
                outcomes.lent.add(book)
                outcomes.counts["OK"] += 1
            outcomes.note("BorrowBook", began)

    def _read(self, client: FrontendClient, outcomes: Outcomes, until: float) -> None:
        while time.monotonic() < until:
            began = time.monotonic()
            client.catalog.ListBooks(ListBooksRequest(page_size=5), timeout=LONG)
            outcomes.note("ListBooks", began)
            began = time.monotonic()
            client.catalog.GetBook(GetBookRequest(id=self.books[0]), timeout=LONG)
            outcomes.note("GetBook", began)

    def check(self, outcomes: Outcomes) -> None:
        """Stop the server, so that all has settled, and compare its answers with its store."""
        longest = {kind: f"{seconds:.1f} s" for kind, seconds in outcomes.longest.items()}
        print(f"longest: {longest}, outcomes: {dict(outcomes.counts)}, reasons: {dict(outcomes.reasons)}")
        assert max(outcomes.longest["ListBooks"], outcomes.longest["GetBook"]) < MOST_READ_SECONDS
        assert outcomes.longest["BorrowBook"] < MOST_BORROW_SECONDS
        assert outcomes.reasons.keys() <= {"SERVER_BUSY", "STORE_UNAVAILABLE"}, "which mean: try again"
        self.server.stop()
        with bound_store("frontend", self.server.database_url):
            borrowed = {loan.book_id: loan.borrow_time / 1_000_000 for loan in Loan.select()}
        assert outcomes.lent <= borrowed.keys()
        assert borrowed.keys() <= outcomes.lent | outcomes.late.keys()
        # Its deadline may pass while a loan is committed, but not before it begins.
        assert all(borrowed[book] < outcomes.late[book] + 1 for book in borrowed.keys() & outcomes.late.keys())


@pytest.fixture
def prepare(servers: Servers, databases: FreshDatabases) -> Callable[[Engine], Desk]:
    def prepare(engine: Engine) -> Desk:
        url = databases.migrated("frontend", engine)
        with bound_store("frontend", url) as store:
            branch = LocalFrontend(store, SettableClock())
            stock = [new_book(f"{number}") for number in range(BOOKS)]
            branch.receive(*stock)
            user = branch.user().id
        server = servers.prepare("frontend", url, ADMIN_TARGET=NO_ADMIN, LOAN_LIMIT=f"{BOOKS}")
        return Desk(server, [book.id for book in stock], user)

    return prepare


def test_a_slow_disk_delays_no_reader(prepare: Callable[[Engine], Desk], tmp_path: Path) -> None:
    disk = SlowDisk(tmp_path)
    desk = prepare("sqlite")
    desk.server.environment.update(disk.environment)
    desk.server.start()
    with disk.is_slow():
        outcomes = desk.run()
    assert outcomes.counts["OK"] >= RUN_SECONDS / 4, "about one in a second"
    assert outcomes.late
    desk.check(outcomes)


@contextmanager
def counter_held(desk: Desk) -> Iterator[None]:
    """Hold the row that every writer needs, as a session does whose commit does not come to its end."""
    with psycopg.connect(desk.server.database_url) as session:
        session.execute("UPDATE counter SET revision = revision WHERE id = 1")
        yield


def test_a_commit_that_does_not_end_delays_no_reader(prepare: Callable[[Engine], Desk]) -> None:
    desk = prepare("postgresql")
    desk.server.start()
    with counter_held(desk):
        outcomes = desk.run()
    assert not outcomes.lent
    desk.check(outcomes)
