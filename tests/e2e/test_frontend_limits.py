"""More than a frontend takes: of one message, of calls at a time, and when it is stopped in the middle of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import grpc

from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Book, Loan
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1 import loan_pb2
from service_kit.idempotency import AnsweredRequest
from tests.support.clients import FrontendClient
from tests.support.clocks import SettableClock
from tests.support.frontend import RULES, LocalFrontend, new_book
from tests.support.processes import Servers
from tests.support.stores import bound_store

NO_ADMIN = "127.0.0.1:1"
"""A port where nothing listens: tcpmux, of 1988."""

MEGABYTE = 1024 * 1024

CUT_OFF = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
"""How a call ends that a stopping server does not answer; gRPC itself cancels those that it has not begun with."""


def fill(database_url: str, books: int) -> tuple[list[str], str]:
    """Put single copies and a user into a frontend's store; the ids of the books, and the user's."""
    with bound_store("frontend", database_url) as store:
        branch = LocalFrontend(store, SettableClock())
        stock = [new_book(f"{number}") for number in range(books)]
        branch.receive(*stock)
        return [book.id for book in stock], branch.user().id


def code_of(call: Callable[..., Any], *arguments: Any) -> grpc.StatusCode:
    try:
        call(*arguments, timeout=100)
    except grpc.RpcError as error:
        code = error.code()
        assert isinstance(code, grpc.StatusCode)
        return code
    return grpc.StatusCode.OK


def test_a_message_over_4_mb_is_refused_and_the_server_lives_on(servers: Servers, frontend_url: str) -> None:
    [book], user = fill(frontend_url, 1)
    desk = servers.start("frontend", frontend_url, ADMIN_TARGET=NO_ADMIN).frontend()
    for size in (4 * MEGABYTE + 1, 20 * MEGABYTE):
        for method, request in (
            (desk.members.EnrollUser, EnrollUserRequest(email="a@example.org", first_name="x" * size, last_name="b")),
            (desk.catalog.GetBook, GetBookRequest(id="x" * size)),
            (desk.lending.BorrowBook, BorrowBookRequest(book_id=book, user_id=user, days=1, request_id="x" * size)),
        ):
            assert code_of(method, request) is grpc.StatusCode.RESOURCE_EXHAUSTED
    # Less than that, and it is the field that is wrong.
    assert (
        code_of(desk.catalog.GetBook, GetBookRequest(id="x" * (4 * MEGABYTE - 10))) is grpc.StatusCode.INVALID_ARGUMENT
    )
    assert code_of(desk.lending.BorrowBook, BorrowBookRequest(book_id=book, user_id=user, days=1)) is grpc.StatusCode.OK


def test_a_flood_is_refused_at_once_and_the_server_lives_on(servers: Servers, frontend_url: str) -> None:
    books, user = fill(frontend_url, 100)
    server = servers.start("frontend", frontend_url, ADMIN_TARGET=NO_ADMIN, CONCURRENT_CALLS="8", THREADS="2")
    desk = server.frontend()

    with bound_store("frontend", frontend_url) as store:
        with store.writing():
            Book.update(title=Book.title).execute()  # nobody can lend a book until this transaction ends
            calls = [
                desk.lending.BorrowBook.future(BorrowBookRequest(book_id=book, user_id=user, days=1), timeout=100)
                for book in books
            ]
            deadline = time.monotonic() + 3
            while sum(call.done() for call in calls) < len(calls) - 8 and time.monotonic() < deadline:
                time.sleep(0.01)
            refused = [call for call in calls if call.done()]
            assert len(refused) == len(calls) - 8, "8 calls run or wait, the rest have their answer"
        assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        lent = {call.result().id for call in calls if call not in refused}

        assert len(lent) == 8
        assert {loan.id for loan in Loan.select()} == lent
    assert code_of(desk.catalog.ListBooks, ListBooksRequest()) is grpc.StatusCode.OK
    assert server.stop() == 0


def test_a_stop_in_a_flood_of_borrows_loses_no_acknowledged_loan(servers: Servers, frontend_url: str) -> None:
    books, user = fill(frontend_url, 4_000)
    server = servers.start("frontend", frontend_url, ADMIN_TARGET=NO_ADMIN, LOAN_LIMIT=f"{len(books)}")
    desk = server.frontend()
    flood = Flood(desk, books, user)
    with ThreadPoolExecutor(8) as patrons:
        running = [patrons.submit(flood.run, number) for number in range(8)]
        while len(flood.acknowledged) < 40:
            time.sleep(0.01)
            assert not any(patron.done() for patron in running)
        assert server.stop() == 0
        for patron in running:
            patron.result()

    assert len(flood.unanswered) == 8, "each of them was cut off at some time"
    with bound_store("frontend", frontend_url) as store:
        LocalFrontend(store, SettableClock(), LendingRules(len(books), RULES.daily_fine)).check()
        kept = {row.request_id: loan_pb2.Loan.FromString(row.answer).id for row in AnsweredRequest.select()}
        assert len(kept) == Loan.select().count()
    assert flood.acknowledged.items() <= kept.items()
    assert kept.keys() - flood.acknowledged.keys() <= {request.request_id for request in flood.unanswered}

    # Who was cut off does not know what became of the request, and finds out by sending it again.
    server.start()
    for request in flood.unanswered:
        loan = desk.lending.BorrowBook(request, timeout=100, wait_for_ready=True)
        assert kept.get(request.request_id, loan.id) == loan.id
    with bound_store("frontend", frontend_url):
        assert Loan.select().count() == len(flood.acknowledged) + len(flood.unanswered)


class Flood:
    """Patrons who borrow one book after the other until the server goes away."""

    def __init__(self, desk: FrontendClient, books: list[str], user: str) -> None:
        self._desk, self._books, self._user = desk, books, user
        self.acknowledged: dict[str, str] = {}
        """The loans that the server acknowledged, by the ids of their requests."""
        self.unanswered: list[BorrowBookRequest] = []
        self._lock = threading.Lock()

    def run(self, number: int) -> None:
        for book in self._books[number::8]:
            request = BorrowBookRequest(book_id=book, user_id=self._user, days=14, request_id=str(uuid4()))
            try:
                loan = self._desk.lending.BorrowBook(request, timeout=100)
            except grpc.RpcError as error:
                assert error.code() in CUT_OFF, error
                with self._lock:
                    self.unanswered.append(request)
                return
            with self._lock:
                self.acknowledged[request.request_id] = loan.id
