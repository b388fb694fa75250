"""Stores that were damaged when any revision was believed: refused at the start, repaired by `library doctor`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library_cli.__main__ import main
from service_kit.store import open_store
from tests.support.clients import FrontendClient
from tests.support.processes import ServerDied, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import catalogue, eventually, loans, recorded_loans, recorded_users, replica

pytestmark = pytest.mark.slow

END = 9_223_372_036_854_775_807


def test_a_store_whose_counter_is_at_its_end_is_refused_and_repaired(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    patron, librarian = frontend.frontend(), admin.admin()
    book = librarian.catalog.AddBook(AddBookRequest(title="A book", copies=9), timeout=60)
    eventually(lambda: book.id in replica(patron), "the book is there")
    users = [enrol(patron, name) for name in ("rita", "luke")]
    open_loan = borrow(patron, book.id, users[0])
    eventually(lambda: recorded_loans(librarian).keys() == {open_loan}, "the loan is recorded")
    frontend.stop()
    admin.stop()
    urls = ["--admin-database-url", admin.database_url, "--frontend-database-url", frontend.database_url]
    doctor = CliRunner()
    healthy = doctor.invoke(main, ["doctor", *urls])
    assert (healthy.exit_code, healthy.output.count("nothing is damaged")) == (0, 2), healthy.output

    value = "9223372036854775808.0" if engine == "sqlite" else str(END)  # a REAL, as the overflow left it
    for url, statements in (
        (
            frontend.database_url,
            [
                f"UPDATE counter SET revision = {value}",
                f"UPDATE user_account SET revision = {value}, pushed_revision = 0 WHERE id = '{users[1]}'",
                f"UPDATE loan SET revision = {value}",
                f"UPDATE sync_state SET start_revision = {value}",
            ],
        ),
        (
            admin.database_url,
            [
                f"UPDATE counter SET revision = {value}",
                f"UPDATE frontend SET newest_revision = {END - 1}",
                f"UPDATE book SET revision = {value}",
                f"UPDATE user_account SET revision = {END} WHERE id = '{users[0]}'",
            ],
        ),
    ):
        store = open_store(url)
        with store.writing():
            for statement in statements:
                store.database.execute_sql(statement)
        store.close()
    for server in (admin, frontend):
        with pytest.raises(ServerDied):
            server.start()
    found = doctor.invoke(main, ["doctor", *urls])
    assert found.exit_code == 1
    assert found.output.count("is damaged") >= 8
    repaired = doctor.invoke(main, ["doctor", "--repair", *urls])
    assert (repaired.exit_code, repaired.output.count("repaired")) == (0, 2), repaired.output
    again = doctor.invoke(main, ["doctor", *urls])
    assert (again.exit_code, again.output.count("nothing is damaged")) == (0, 2), again.output

    admin.start()
    frontend.start()
    patron, librarian = frontend.frontend(), admin.admin()
    patron.lending.ReturnBook(ReturnBookRequest(loan_id=open_loan), timeout=60)
    users.append(enrol(patron, "anna"))
    borrow(patron, book.id, users[2])
    second = librarian.catalog.AddBook(AddBookRequest(title="Another book"), timeout=60)
    eventually(
        lambda: (
            replica(patron) == catalogue(librarian)
            and second.id in replica(patron)
            and recorded_loans(librarian) == loans(patron)
            and recorded_users(librarian).keys() == set(users)
        ),
        "both sides agree",
    )


def enrol(patron: FrontendClient, name: str) -> str:
    request = EnrollUserRequest(email=f"{name}@example.org", first_name=name, last_name="Reader")
    return str(patron.members.EnrollUser(request, timeout=60).id)


def borrow(patron: FrontendClient, book_id: str, user_id: str) -> str:
    request = BorrowBookRequest(book_id=book_id, user_id=user_id, days=7)
    return str(patron.lending.BorrowBook(request, timeout=60).id)
