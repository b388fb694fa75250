"""Garbage in the rows that the sync and the counts depend on: it heals by itself, or is found and repaired."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any

import peewee
import pytest

import admin_server.sync.repair
import frontend_server.repair
from admin_server.books.catalog import add_book
from admin_server.sync.pairing import accept_frontend
from frontend_server.circulation.checkin import return_book
from frontend_server.circulation.checkout import borrow_book
from frontend_server.members.members import enroll_user
from frontend_server.store.models import Loan
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from service_kit.ids import new_id
from service_kit.store import Store, open_store
from tests.support.damage import TEXTS_THAT_CANNOT_BE_DECODED
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually, status, wait_until_they_agree
from tests.sync.libraries import RULES, Library, Side

pytestmark = [pytest.mark.slow, *TEXTS_THAT_CANNOT_BE_DECODED]

END = 2**63 - 1
NOT_UTF_8 = "CAST(x'ff41fe' AS TEXT)"


def encoded(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode()


POSITIONS = [
    "garbage",
    " ",
    "\n",
    "x" * 200,
    "y" * 1_000_000,
    "caf\u00e9 \u2603 \U0001f4da",
    encoded("something else"),
    encoded(f"{new_id()}:5"),
    encoded(f"{new_id()}:1234567890123456789"),
    encoded(f"{new_id()}:-1"),
    encoded(f"{new_id()}:"),
    "=",
]
"""Texts that are not a position of the admin. Both engines store them."""

SQLITE_POSITIONS = [NOT_UTF_8, "CAST(x'00' AS TEXT)", "x'ff00'", "x'61'", "x''", "17", "1.5e300"]
"""The same as SQL, for SQLite alone."""


def test_a_cursor_or_receipt_that_is_garbage_costs_one_resync(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05"
    )
    patron, librarian = frontend.frontend(), admin.admin()
    book = librarian.catalog.AddBook(AddBookRequest(title="A book", copies=99), timeout=60)
    user = patron.members.EnrollUser(EnrollUserRequest(email="a@example.org", first_name="A"), timeout=60)
    wait_until_they_agree(librarian, patron, [user.id])
    patron.lending.BorrowBook(BorrowBookRequest(book_id=book.id, user_id=user.id, days=7), timeout=60)
    wait_until_they_agree(librarian, patron, [user.id])
    [(epoch, head)] = rows(admin, "SELECT e.id, c.revision FROM epoch e, counter c ORDER BY e.number DESC LIMIT 1")
    values = [f"'{text}'" for text in [*POSITIONS, encoded(f"{epoch}:{head + 1_000}")]]
    values += SQLITE_POSITIONS if engine == "sqlite" else []
    [(first,)] = rows(frontend, "SELECT generation FROM sync_state")
    cases = list(itertools.product(("cursor", "receipt"), values))
    for number, (column, value) in enumerate(cases):
        rows(frontend, f"UPDATE sync_state SET {column} = {value} RETURNING 1")

        def has_resynced(wanted: int = first + number + 1) -> bool:
            return rows(frontend, "SELECT generation, resyncing FROM sync_state") == [(wanted, 0)]

        eventually(has_resynced, f"one resync after {column} = {value[:80]}")
    wait_until_they_agree(librarian, patron, [user.id])
    last = status(patron)
    assert (last.last_pull_error, last.last_push_error, last.parked_row_count) == ("", "", 0)
    assert rows(frontend, "SELECT generation FROM sync_state") == [(first + len(cases),)], "no resync in a loop"
    # At a start, too, which reads the same row.
    frontend.stop()
    rows(frontend, f"UPDATE sync_state SET cursor = {values[-1]}, receipt = {values[-2]} RETURNING 1")
    frontend.start()
    wait_until_they_agree(librarian, frontend.frontend(), [user.id])
    assert rows(frontend, "SELECT generation FROM sync_state") == [(first + len(cases) + 1,)]


def rows(server: ServerProcess, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement in the store of a server."""
    store = open_store(server.database_url)
    try:
        with store.writing():
            return list(store.database.execute_sql(sql).fetchall())
    finally:
        store.close()


NUMBERS = ["-5", str(END), "9223372036854775808.0", "'abc'", NOT_UTF_8, "x'ff00'", "1.5"]
"""In the place of a counter or a revision. PostgreSQL refuses all but the first two."""

TEXTS = ["'garbage'", f"'{'x' * 1_000_000}'", "'caf\u00e9'", "' '", NOT_UTF_8, "x'ff00'", "x''"]
TIMES = ["-1", str(END), "'abc'", NOT_UTF_8, "x'ff00'", "1.5"]

START_DAMAGE = {
    "frontend": [
        *(f"UPDATE counter SET revision = {value}" for value in NUMBERS),
        "DELETE FROM counter",
        *(f"UPDATE sync_state SET frontend_id = {value}" for value in ["''", *TEXTS]),
        *(f"UPDATE sync_state SET secret = {value}" for value in TEXTS),
        *(f"UPDATE sync_state SET generation = {value}" for value in ["0", *NUMBERS]),
        *(f"UPDATE sync_state SET start_revision = {value}" for value in NUMBERS),
        *(f"UPDATE sync_state SET resyncing = {value}" for value in ["2", "'abc'", NOT_UTF_8, "x''", "0.5"]),
        f"UPDATE sync_state SET policy_version = {NOT_UTF_8}",
        "DELETE FROM sync_state",
        *(f"UPDATE clock_mark SET newest_time = {value}" for value in TIMES),
        *(f"UPDATE clock_mark SET ignored_until = {value}" for value in TIMES),
        "DELETE FROM clock_mark",
    ],
    "admin": [
        *(f"UPDATE counter SET revision = {value}" for value in ["1", *NUMBERS]),
        "DELETE FROM counter",
        *(f"UPDATE frontend SET id = {value}" for value in ["''", *TEXTS]),
        *(f"UPDATE frontend SET secret_hash = {value}" for value in TEXTS),
        *(f"UPDATE frontend SET newest_revision = {value}" for value in NUMBERS),
    ],
}
"""Damage that would fail each call, or each turn of the sync: the start is refused."""

OTHER_DAMAGE = {
    "frontend": [
        "UPDATE counter SET revision = 1",
        *(f"UPDATE book SET on_loan = {value}" for value in ["-1", "7", "2147483647", *NUMBERS]),
        *(f"UPDATE user_account SET active_loan_count = {value}" for value in ["-1", "7", "2147483647", *NUMBERS]),
        *(f"UPDATE user_account SET revision = {value}" for value in NUMBERS),
        *(f"UPDATE loan SET pushed_revision = {value}" for value in NUMBERS),
        *(f"UPDATE book SET generation = {value}" for value in NUMBERS),
    ],
    "admin": [
        *(f"UPDATE book SET on_loan = {value}" for value in ["-1", "7", "2147483647", *NUMBERS]),
        *(f"UPDATE epoch SET first_revision = {value}" for value in NUMBERS),
        *(f"UPDATE user_account SET revision = {value}" for value in NUMBERS),
    ],
}
"""Damage that only `library doctor` looks for."""

PLAIN_TEXTS = {f"UPDATE sync_state SET policy_version = {NOT_UTF_8}"}
"""PostgreSQL takes these bits for a text of digits, and any text is a version."""

FIND_START = {"frontend": frontend_server.repair.find_start_damage, "admin": admin_server.sync.repair.find_start_damage}
FIND = {"frontend": frontend_server.repair.find_damage, "admin": admin_server.sync.repair.find_damage}


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    """A library with a loan that is open, one that came back, and one of the same user."""
    library = Library(databases, engine)
    with library.admin.at_work() as store:
        books = [add_book(store, AddBookRequest(title=f"Title {number}", copies=2), library.clock) for number in (1, 2)]
    library.sync()
    with library.frontend.at_work() as store:
        requests = [EnrollUserRequest(email=f"{name}@example.org", first_name=name) for name in "ab"]
        users = [enroll_user(store, request, library.clock) for request in requests]
        for book, user in itertools.product(books, users):
            lend(library, store, book.id, user.id)
        back = lend(library, store, books[0].id, users[0].id, is_back=True)
    library.sync()
    assert back
    assert_in_step(library)
    yield library
    library.close()


def lend(library: Library, store: Store, book_id: str, user_id: str, *, is_back: bool = False) -> str:
    if is_back:
        loan = Loan.get(book_id=book_id, user_id=user_id, return_time=None)
        return return_book(store, ReturnBookRequest(loan_id=loan.id), RULES, library.clock).id
    return borrow_book(store, BorrowBookRequest(book_id=book_id, user_id=user_id, days=7), RULES, library.clock).id


def test_damage_is_found_and_repaired_with_nothing_lost(library: Library) -> None:
    sides = {"frontend": library.frontend, "admin": library.admin}
    contents = {name: side.contents() for name, side in sides.items()}
    done = 0
    for name, side in sides.items():
        for statement in (*START_DAMAGE[name], *OTHER_DAMAGE[name]):
            if not damage(side, statement):
                continue
            done += 1
            what = f"{name}: {statement[:100]}"
            with side.at_work() as store, store.reading():
                assert bool(FIND_START[name](store)) == (statement in START_DAMAGE[name]), what
                assert FIND[name](store), what
            repair(library, name)
            with side.at_work() as store, store.reading():
                assert FIND[name](store) == [], what
            library.start_admin()
            library.start_frontend()
            library.sync()
            assert_in_step(library)
            for each, kept in contents.items():
                sides[each].put_back(kept)
    assert done >= (40 if library.admin.store.is_postgresql else 100)


def damage(side: Side, statement: str) -> bool:
    """Damage a store, if the engine lets it be."""
    if side.store.is_postgresql and (statement.endswith((".5", "x''")) or statement in PLAIN_TEXTS):
        return False  # it rounds, and takes the second for an empty text
    try:
        with side.at_work() as store, store.writing():
            store.database.execute_sql(statement)
    except (peewee.DatabaseError, peewee.InterfaceError):
        return False
    return True


def repair(library: Library, name: str) -> None:
    """Do what `library doctor --repair` does."""
    if name == "frontend":
        with library.frontend.at_work() as store, store.writing():
            identity = frontend_server.repair.repair(store)
    else:
        with library.admin.at_work() as store, store.writing():
            identity = admin_server.sync.repair.repair(store, library.clock)
    if identity.lost:
        with library.frontend.at_work() as store, store.reading():
            frontend_id = frontend_server.repair.frontend_id(store)
        with library.admin.at_work() as store:
            accept_frontend(store, frontend_id)


def assert_in_step(library: Library) -> None:
    assert library.replica() == library.catalogue()
    seen = []
    for side in (library.admin, library.frontend):
        with side.at_work() as store, store.reading():
            seen.append(
                [
                    store.database.execute_sql(sql).fetchall()
                    for sql in (
                        "SELECT id, email, state FROM user_account ORDER BY id",
                        "SELECT id, book_id, user_id, due_time, return_time FROM loan ORDER BY id",
                        "SELECT id, on_loan FROM book ORDER BY id",
                    )
                ]
            )
    assert seen[0] == seen[1]
    assert sum(out for _, out in seen[0][2]) == 3
