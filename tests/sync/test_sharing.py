"""Several frontend processes on one store are one frontend: four on PostgreSQL, two on a SQLite file."""

from __future__ import annotations

import contextlib
import random
import time

import psycopg
from google.protobuf.field_mask_pb2 import FieldMask

from library.admin.v1.catalog_service_pb2 import (
    AddBookRequest,
    ImportBooksRequest,
    RemoveBookRequest,
    UpdateBookRequest,
)
from library.v1.book_pb2 import Book
from service_kit.store import open_store
from tests.support.processes import Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import (
    assert_copies_are_counted,
    assert_no_copy_was_lent_twice,
    catalogue,
    eventually,
    has_books,
    knows,
    loans,
    recorded_loans,
    recorded_users,
    replica,
    status,
    wait_until_they_agree,
)
from tests.sync.retrying_clients import Patron, at_work

PROCESSES: dict[Engine, int] = {"sqlite": 2, "postgresql": 4}
COPIES = 2


def test_processes_that_share_a_store_lend_and_sync_as_one(
    servers: Servers, databases: FreshDatabases, engine: Engine, chance: random.Random
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    librarian = admin.admin()
    rows = [ImportBooksRequest(line=i, book=AddBookRequest(title=f"Book {i}", copies=COPIES)) for i in range(1, 301)]
    librarian.catalog.ImportBooks(iter(rows), timeout=60)
    url = databases.migrated("frontend", engine)
    frontends = [
        servers.prepare("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1")
        for _ in range(PROCESSES[engine])
    ]
    for frontend in frontends:
        frontend.launch()
    for frontend in frontends:
        frontend.wait_until_serving()
    clients = [frontend.frontend() for frontend in frontends]
    for client in clients:
        eventually(has_books(client, 300), "the catalogue is there")
    books = list(catalogue(librarian).values())
    wanted = books[:10]  # few, so that patrons of different processes want the same copy
    patrons = [Patron(frontend.frontend(), wanted, random.Random(chance.random())) for frontend in frontends]

    with at_work(patrons):
        for book in books[100:160]:
            changed = Book(id=book.id, title=f"{book.title}, revised")
            mask = FieldMask(paths=["title"])
            librarian.catalog.UpdateBook(UpdateBookRequest(book=changed, update_mask=mask), timeout=100)
        for book in books[160:180]:
            librarian.catalog.RemoveBook(RemoveBookRequest(id=book.id), timeout=100)
        eventually(lambda: all(len(patron.loans) > 10 for patron in patrons), "books are borrowed everywhere")

    for client in clients:
        wait_until_they_agree(librarian, client, {user_id for patron in patrons for user_id in patron.users})
    acknowledged = {loan_id: loan for patron in patrons for loan_id, loan in patron.loans.items()}
    recorded = recorded_loans(librarian)
    assert recorded.keys() == acknowledged.keys()
    assert recorded_users(librarian).keys() == {user_id for patron in patrons for user_id in patron.users}
    assert_no_copy_was_lent_twice(recorded.values(), {book.id: COPIES for book in books})
    assert_copies_are_counted(librarian, recorded.values())
    assert len({status(client).frontend_id for client in clients}) == 1
    problems = [event for frontend in frontends for event in frontend.log_events() if event["level"] == "error"]
    assert not problems
    assert not any(patron.retries for patron in patrons)


def test_one_process_at_a_time_pulls(servers: Servers, databases: FreshDatabases) -> None:
    """While another connection holds the lock for pulling, no process pulls; afterwards they do."""
    admin = servers.start("admin", databases.migrated("admin", "postgresql"))
    url = databases.migrated("frontend", "postgresql")
    clients = [
        servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05").frontend() for _ in range(2)
    ]
    store = open_store(url)
    with contextlib.ExitStack() as held:
        while not held.enter_context(store.try_lock("pull")):
            held.close()
        time.sleep(0.3)  # any pull that ran has ended
        book = admin.admin().catalog.AddBook(AddBookRequest(title="A book"), timeout=100)
        time.sleep(0.5)
        assert not any(replica(client) for client in clients)
    store.close()
    for client in clients:
        eventually(knows(client, book), "the book is there")


def test_processes_that_start_at_the_same_moment_read_the_catalogue_once(
    servers: Servers, databases: FreshDatabases
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "postgresql"))
    rows = [ImportBooksRequest(line=i, book=AddBookRequest(title=f"Book {i}")) for i in range(1, 2_501)]
    admin.admin().catalog.ImportBooks(iter(rows), timeout=60)
    url = databases.migrated("frontend", "postgresql")
    frontends = [servers.prepare("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05") for _ in range(4)]
    for frontend in frontends:
        frontend.launch()
    for frontend in frontends:
        frontend.wait_until_serving()
    for frontend in frontends:
        client = frontend.frontend()
        eventually(has_books(client, 2_500), "the catalogue is there")
        frontend.stop()  # then its statistics are complete
    sql = "SELECT n_tup_ins, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'book'"
    with psycopg.connect(url, autocommit=True) as connection:
        eventually(lambda: connection.execute(sql).fetchone() == (2_500, 0), "each book was written once")


def test_a_killed_process_leaves_its_turn_to_the_others(servers: Servers, databases: FreshDatabases) -> None:
    admin = servers.start("admin", databases.migrated("admin", "postgresql"))
    url = databases.migrated("frontend", "postgresql")
    first, second = (servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05") for _ in range(2))
    for number in range(5):
        first.kill()
        book = admin.admin().catalog.AddBook(AddBookRequest(title=f"Book {number}"), timeout=100)
        eventually(knows(second.frontend(), book), "the other one pulls")
        first.start()
        first, second = second, first
    assert loans(second.frontend()) == {}
