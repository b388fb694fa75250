"""A store that lets nobody write, as on a slow disk: reads go on, and clients that gave up get no work done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import grpc
import pytest

from frontend_server.store.models import Book, Loan
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.v1 import loan_pb2
from tests.support.clients import FrontendClient, open_channel, refusal_of
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases, bound_store

SECONDS = 100.0
NO_ADMIN = "127.0.0.1:1"
WRITERS = 60
"""More than a server has threads, on either engine."""


class Desk:
    """A frontend with a store that can be locked, and books for one patron."""

    def __init__(self, server: ServerProcess, books: list[str], user: str) -> None:
        self.server = server
        self._books = iter(books)
        self._user = user

    def borrow(self, client: FrontendClient, seconds: float = SECONDS) -> tuple[str, grpc.Future[loan_pb2.Loan]]:
        """Begin to borrow the next book; returns it with the call."""
        book = next(self._books)
        request = BorrowBookRequest(book_id=book, user_id=self._user, days=1, request_id=str(uuid4()))
        return book, client.lending.BorrowBook.future(request, timeout=seconds)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody lend, in another process's place: a transaction that has every book."""
        with bound_store("frontend", self.server.database_url) as store, store.writing():
            Book.update(title=Book.title).execute()
            yield

    def lent(self) -> set[str]:
        """The books that are lent."""
        with bound_store("frontend", self.server.database_url):
            return {loan.book_id for loan in Loan.select()}


@pytest.fixture(scope="module")
def desk(module_servers: Servers, databases: FreshDatabases, engine: Any) -> Desk:
    url = databases.migrated("frontend", engine)
    with bound_store("frontend", url) as store:
        branch = LocalFrontend(store, SettableClock())
        stock = [new_book(f"{number}") for number in range(400)]
        branch.receive(*stock)
        user = branch.user().id
    server = module_servers.start("frontend", url, ADMIN_TARGET=NO_ADMIN, LOAN_LIMIT="400")
    return Desk(server, [book.id for book in stock], user)


def test_reads_do_not_wait_for_writers(desk: Desk) -> None:
    with open_channel(desk.server.address) as channel, open_channel(desk.server.address) as reading:
        client, reader = FrontendClient(channel), FrontendClient(reading)
        with desk.locked():
            calls = [desk.borrow(client) for _ in range(WRITERS)]
            for _ in range(3):
                books = reader.catalog.ListBooks(ListBooksRequest(page_size=5), timeout=SECONDS).books
                reader.catalog.GetBook(GetBookRequest(id=books[0].id), timeout=SECONDS)
            assert not any(call.done() for _, call in calls), "the writers still wait"
        for book, call in calls:
            assert call.result().book_id == book


def test_a_call_whose_client_has_given_up_changes_nothing(desk: Desk) -> None:
    with open_channel(desk.server.address) as channel:
        client = FrontendClient(channel)
        with desk.locked():
            late = [desk.borrow(client, seconds=1) for _ in range(WRITERS)]
            cancelled = [desk.borrow(client) for _ in range(10)]
            for _, call in cancelled:
                call.cancel()
            assert {call.code() for _, call in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}  # type: ignore[attr-defined]
        book, call = desk.borrow(client)
        assert call.result().book_id == book
        lent = desk.lent()
    assert book in lent
    assert not lent & {book for book, _ in [*late, *cancelled]}


@pytest.mark.slow
def test_no_call_waits_for_long_while_the_store_is_locked(desk: Desk) -> None:
    """A loan waited for 32 seconds. Each is refused with a reason to try again, and reads go on."""
    with open_channel(desk.server.address) as channel:
        client = FrontendClient(channel)
        with desk.locked():
            calls = [desk.borrow(client, seconds=30) for _ in range(WRITERS)]
            reasons = set()
            for _, call in calls:
                error = call.exception()
                assert isinstance(error, grpc.RpcError)
                reasons.add(refusal_of(error).reason)
                client.catalog.ListBooks(ListBooksRequest(page_size=5), timeout=SECONDS)
            assert reasons <= {"SERVER_BUSY", "STORE_UNAVAILABLE"}
        assert not desk.lent() & {book for book, _ in calls}
