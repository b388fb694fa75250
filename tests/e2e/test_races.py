"""Real processes, real clients, and fewer copies than people who want one."""

from __future__ import annotations

import threading
import time
from functools import partial
from uuid import uuid4

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.loan_service_pb2 import ListLoansRequest
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest
from library.v1 import loan_pb2
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE
from tests.support.clients import FrontendClient, Refusal, refusal_of
from tests.support.processes import Servers
from tests.support.stores import Engine
from tests.sync.retrying_clients import answer_to

pytestmark = pytest.mark.slow

BOOKS, PATRONS = 20, 12
SYNC_SECONDS = 100.0
CALL_SECONDS = 60.0


def test_12_patrons_race_for_each_of_20_single_copies(
    servers: Servers, engine: Engine, admin_url: str, frontend_url: str
) -> None:
    admin = servers.start("admin", admin_url)
    count = 4 if engine == "postgresql" else 1
    frontends = [
        servers.prepare("frontend", frontend_url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.2") for _ in range(count)
    ]
    for frontend in frontends:
        frontend.launch()
    for frontend in frontends:
        frontend.wait_until_serving()
    catalog = admin.admin().catalog
    books = [catalog.AddBook(AddBookRequest(title=f"Book {number}")).id for number in range(BOOKS)]
    desks = [frontends[number % count].frontend() for number in range(PATRONS)]
    users = [
        desk.members.EnrollUser(
            EnrollUserRequest(email=f"patron{number}@example.org", first_name="Ada", last_name="King")
        ).id
        for number, desk in enumerate(desks)
    ]
    wait_for_books(desks[0], books)

    outcomes = race(desks, users, books)

    loans = {}
    for book, tried in zip(books, outcomes, strict=True):
        won = [outcome for outcome in tried if isinstance(outcome, loan_pb2.Loan)]
        lost = [outcome for outcome in tried if isinstance(outcome, Refusal)]
        assert (len(won), len(lost)) == (1, PATRONS - 1), tried
        assert {refusal.code for refusal in lost} == {grpc.StatusCode.FAILED_PRECONDITION}
        assert {refusal.reason for refusal in lost} == {"NO_COPY_AVAILABLE"}
        assert won[0].book_id == book
        loans[won[0].id] = won[0]
    assert len(loans) == BOOKS

    for frontend in frontends:
        wait_until_all_is_pushed(frontend.frontend())
    recorded = admin.admin().loans.ListLoans(ListLoansRequest(page_size=1_000)).loans
    assert {loan.id: loan for loan in recorded} == loans
    assert len(recorded) == BOOKS
    assert {loan.state for loan in recorded} == {LOAN_STATE_ACTIVE}
    assert not desks[0].catalog.ListBooks(ListBooksRequest()).books


def race(desks: list[FrontendClient], users: list[str], books: list[str]) -> list[list[loan_pb2.Loan | Refusal]]:
    """All patrons try for one book after the other, each time all at the same moment; the outcomes by book.

    A server refuses who has waited for 5 s for the others, as on a machine that stalls. That patron tries again.
    """
    outcomes: list[list[loan_pb2.Loan | Refusal]] = [[] for _ in books]
    next_book = threading.Barrier(PATRONS, timeout=2 * CALL_SECONDS)

    def run(number: int) -> None:
        for book, tried in zip(books, outcomes, strict=True):
            request = BorrowBookRequest(book_id=book, user_id=users[number], days=14, request_id=str(uuid4()))
            next_book.wait()
            try:
                loan, _ = answer_to(partial(desks[number].lending.BorrowBook, request, timeout=CALL_SECONDS))
                tried.append(loan)
            except grpc.RpcError as error:
                tried.append(refusal_of(error))

    patrons = [threading.Thread(target=run, args=(number,)) for number in range(PATRONS)]
    for patron in patrons:
        patron.start()
    for patron in patrons:
        patron.join()
    return outcomes


def wait_for_books(desk: FrontendClient, books: list[str]) -> None:
    """Wait until the catalogue has come down."""
    deadline = time.monotonic() + SYNC_SECONDS
    while {book.id for book in desk.catalog.ListBooks(ListBooksRequest(page_size=1_000)).books} != {*books}:
        assert time.monotonic() < deadline, "the books did not come"
        time.sleep(0.05)


def wait_until_all_is_pushed(desk: FrontendClient) -> None:
    """Wait until the admin has recorded all users and loans of this frontend."""
    deadline = time.monotonic() + SYNC_SECONDS
    while True:
        status = desk.sync.GetSyncStatus(GetSyncStatusRequest())
        if not status.waiting_loan_count + status.waiting_user_count:
            assert not status.parked_rows
            return
        assert time.monotonic() < deadline, f"the push did not end: {status}"
        time.sleep(0.05)
