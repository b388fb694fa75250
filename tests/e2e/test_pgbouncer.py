"""Both services behind a real pgbouncer: session mode works without a setting for it, the other modes are refused."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from uuid import uuid4

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.frontend.v1.sync_service_pb2 import SyncNowRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from tests.support.clients import FrontendClient, refusal_of
from tests.support.library_command import environment
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgresql import PostgresqlServer
from tests.support.processes import Servers
from tests.support.stores import FreshDatabases, ServerName
from tests.sync.agreement import (
    assert_no_copy_was_lent_twice,
    eventually,
    has_books,
    recorded_loans,
    wait_until_they_agree,
)
from tests.sync.retrying_clients import answer_to

BOOKS, PATRONS, CALL_SECONDS = 12, 8, 100.0


def test_lending_races_and_sync_in_session_mode(
    servers: Servers, postgresql: PostgresqlServer, databases: FreshDatabases
) -> None:
    with running_pgbouncer(postgresql.url("postgres"), pool_mode="session", default_pool_size="45") as pgbouncer:
        admin_url, frontend_url = (
            pgbouncer.url(postgresql.name_of(databases.migrated(name, "postgresql"))) for name in ("admin", "frontend")
        )
        admin = servers.start("admin", admin_url)
        frontends = [
            servers.start("frontend", frontend_url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.2") for _ in range(2)
        ]
        librarian = admin.admin()
        books = [
            librarian.catalog.AddBook(AddBookRequest(title=f"Book {number}"), timeout=CALL_SECONDS)
            for number in range(BOOKS)
        ]
        desks = [frontends[number % 2].frontend() for number in range(PATRONS)]
        for desk in desks[:2]:
            eventually(has_books(desk, BOOKS), "the books are there")
        users = [
            desk.members.EnrollUser(
                EnrollUserRequest(email=f"{number}@example.org", first_name="Ada", last_name="King"),
                timeout=CALL_SECONDS,
            ).id
            for number, desk in enumerate(desks)
        ]

        lent = [race_for(book, desks, users) for book in books]
        for loan in lent[::2]:
            desks[0].lending.ReturnBook(ReturnBookRequest(loan_id=loan.id), timeout=CALL_SECONDS)
        desks[1].sync.SyncNow(SyncNowRequest(), timeout=CALL_SECONDS)

        for desk in desks[:2]:
            wait_until_they_agree(librarian, desk)
        recorded = recorded_loans(librarian)
        assert recorded.keys() == {loan.id for loan in lent}
        assert sum(loan.HasField("return_time") for loan in recorded.values()) == len(lent[::2])
        assert_no_copy_was_lent_twice(recorded.values(), {book.id: 1 for book in books})
        for server in (admin, *frontends):
            assert not [event for event in server.log_events() if event["level"] == "error"]
            assert server.stop() == 0


def race_for(book: Book, desks: list[FrontendClient], users: list[str]) -> Loan:
    """All try to borrow the one copy at the same moment. Return the one loan; the others are refused."""
    together = Barrier(len(desks), timeout=CALL_SECONDS)

    def borrow(number: int) -> Loan | None:
        request = BorrowBookRequest(book_id=book.id, user_id=users[number], days=7, request_id=str(uuid4()))
        together.wait()
        try:
            loan: Loan = answer_to(partial(desks[number].lending.BorrowBook, request, timeout=CALL_SECONDS))[0]
        except grpc.RpcError as error:
            assert refusal_of(error).reason == "NO_COPY_AVAILABLE"
            return None
        return loan

    with ThreadPoolExecutor(len(desks)) as threads:
        [won] = [loan for loan in threads.map(borrow, range(len(desks))) if loan is not None]
    return won


COMMANDS: list[tuple[ServerName, list[str]]] = [
    ("admin", ["serve", "--listen=127.0.0.1:0"]),
    ("admin", ["migrate"]),
    ("frontend", ["serve", "--listen=127.0.0.1:0"]),
]


@pytest.mark.parametrize(
    "ignored", ["", pytest.param("options", marks=pytest.mark.slow)], ids=["as-installed", "ignoring-options"]
)
@pytest.mark.parametrize("mode", ["transaction", pytest.param("statement", marks=pytest.mark.slow)])
def test_a_start_in_another_mode_ends_with_a_sentence(
    postgresql: PostgresqlServer, databases: FreshDatabases, mode: str, ignored: str
) -> None:
    with running_pgbouncer(postgresql.url("postgres"), pool_mode=mode, ignore_startup_parameters=ignored) as pgbouncer:
        for server, arguments in COMMANDS:
            url = pgbouncer.url(postgresql.name_of(databases.migrated(server, "postgresql")))
            command = [sys.executable, "-m", f"{server}_server", *arguments, f"--database-url={url}"]
            done = subprocess.run(
                command, env=environment(), capture_output=True, text=True, timeout=CALL_SECONDS, check=False
            )
            assert (done.returncode, done.stdout) == (1, "")
            [sentence] = done.stderr.splitlines()
            assert sentence.startswith(f"library-{server}: cannot open the store {url}: a connection pooler in {mode} ")
            assert "pool_mode = session" in sentence
