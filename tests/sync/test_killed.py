"""Servers killed with -9 at random moments while people use them: what was acknowledged is there, and there once."""

from __future__ import annotations

import random
import signal
import time

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from tests.support.clients import AdminClient
from tests.support.processes import Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import (
    assert_copies_are_counted,
    assert_no_copy_was_lent_twice,
    catalogue,
    eventually,
    loans,
    recorded_loans,
    recorded_users,
    replica,
    wait_until_they_agree,
)
from tests.sync.retrying_clients import Librarian, Patron, at_work

BOOKS = 30
COPIES = 2


@pytest.mark.parametrize("kills", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_a_frontend_killed_at_random_moments_forgets_nothing_and_lends_nothing_twice(
    servers: Servers, databases: FreshDatabases, engine: Engine, chance: random.Random, kills: int
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    books = add_books(admin.admin(), BOOKS, COPIES)
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.2"
    )
    client = frontend.frontend()
    eventually(lambda: len(replica(client)) == BOOKS, "the catalogue is there")
    patrons = [Patron(frontend.frontend(), books, random.Random(chance.random())) for _ in range(3)]

    with at_work(patrons):
        for _ in range(kills):
            time.sleep(chance.uniform(0.0, 0.25))
            frontend.kill()
            frontend.start()

    acknowledged = {loan_id: loan for patron in patrons for loan_id, loan in patron.loans.items()}
    assert sum(patron.retries for patron in patrons) > kills / 2, "the kills hit nobody"
    wait_until_they_agree(admin.admin(), client, {user_id for patron in patrons for user_id in patron.users})
    recorded = recorded_loans(admin.admin())
    assert_all_is_kept(recorded, acknowledged)
    assert recorded_users(admin.admin()).keys() == {user_id for patron in patrons for user_id in patron.users}
    assert_no_copy_was_lent_twice(recorded.values(), {book.id: COPIES for book in books})
    assert_copies_are_counted(admin.admin(), recorded.values())


@pytest.mark.slow
def test_an_admin_killed_during_imports_and_pushes_loses_nothing(
    servers: Servers, databases: FreshDatabases, engine: Engine, chance: random.Random
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    books = add_books(admin.admin(), BOOKS, COPIES)
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    client = frontend.frontend()
    eventually(lambda: len(replica(client)) == BOOKS, "the catalogue is there")
    patron = Patron(frontend.frontend(), books, random.Random(chance.random()))
    librarian = Librarian(admin.admin(), random.Random(chance.random()), rows=600)

    with at_work([patron, librarian]):
        for _ in range(10):
            time.sleep(chance.uniform(0.0, 0.4))
            admin.kill()
            admin.start()

    assert librarian.retries, "the kills hit no import"
    assert not patron.retries, "a patron was kept waiting by the admin"
    wait_until_they_agree(admin.admin(), client, patron.users)
    recorded = recorded_loans(admin.admin())
    assert_all_is_kept(recorded, patron.loans)
    assert recorded_users(admin.admin()).keys() == patron.users.keys()
    assert_no_copy_was_lent_twice(recorded.values(), {book.id: COPIES for book in books})
    assert_copies_are_counted(admin.admin(), recorded.values())
    isbns = [book.isbn for book in catalogue(admin.admin()).values() if book.isbn]
    assert sorted(isbns) == sorted(librarian.isbns)


@pytest.mark.parametrize("how", ["stopped", "killed", "frozen"])
def test_lending_goes_on_without_the_admin_which_is_sent_all_rows_later(
    servers: Servers, databases: FreshDatabases, chance: random.Random, how: str
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    books = add_books(admin.admin(), BOOKS, COPIES)
    frontend = servers.start("frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address)
    client = frontend.frontend()
    eventually(lambda: len(replica(client)) == BOOKS, "the catalogue is there")
    patron = Patron(frontend.frontend(), books, random.Random(chance.random()))

    with at_work([patron]):
        eventually(lambda: len(patron.loans) > 5, "books are borrowed")
        lent_before = len(patron.loans)
        admin.send({"stopped": signal.SIGTERM, "killed": signal.SIGKILL, "frozen": signal.SIGSTOP}[how])
        if how != "frozen":
            admin.wait()
        eventually(lambda: len(patron.loans) > lent_before + 20, "books are borrowed without the admin")
        eventually(lambda: any(loan.HasField("return_time") for loan in list(patron.loans.values())), "one comes back")
        eventually(lambda: len(patron.users) > 1, "somebody enrols")
        if how == "frozen":
            admin.send(signal.SIGCONT)
        else:
            admin.start()

    wait_until_they_agree(admin.admin(), client, patron.users)
    recorded = recorded_loans(admin.admin())
    assert_all_is_kept(recorded, patron.loans)
    assert recorded == loans(client)
    assert recorded_users(admin.admin()).keys() == patron.users.keys()
    assert not patron.retries


def add_books(admin: AdminClient, count: int, copies: int) -> list[Book]:
    """Add `count` books with `copies` copies each."""
    return [
        admin.catalog.AddBook(AddBookRequest(title=f"Book {number}", copies=copies), timeout=100)
        for number in range(count)
    ]


def assert_all_is_kept(recorded: dict[str, Loan], acknowledged: dict[str, Loan]) -> None:
    """The admin has just the loans that were acknowledged, each as it was acknowledged last."""
    assert recorded.keys() == acknowledged.keys()
    for loan_id, loan in acknowledged.items():
        assert recorded[loan_id].HasField("return_time") == loan.HasField("return_time")
        assert (recorded[loan_id].book_id, recorded[loan_id].user_id) == (loan.book_id, loan.user_id)
