"""A frontend with books, patrons and old loans."""

from __future__ import annotations

import pytest

from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from service_kit.clock import SECOND
from tests.support.clocks import SettableClock
from tests.support.desk_command import Desk
from tests.support.frontend import LocalFrontend, new_book
from tests.support.library_command import NOBODY
from tests.support.processes import Servers
from tests.support.stores import FreshDatabases, bound_store

LONG_AGO = 1_700_000_000 * SECOND
"""November 2023, so that what was lent then for 14 days is overdue."""

BOOKS = [
    ("Dune", ["Frank Herbert"], "9780441013593", 3),
    ("Dune Messiah", ["Frank Herbert"], "9780593098233", 1),
    ("Children of Dune", ["Frank Herbert"], "9780593098240", 1),
    ("The Dispossessed", ["Ursula K. Le Guin"], "9780060512750", 1),
    ("Foundation", ["Isaac Asimov"], "9780553293357", 1),
    ("Foundation", ["Mercedes Lackey"], "9780756405762", 1),
    ("1984", ["George Orwell"], "9780451524935", 2),
    ("Gödel, Escher, Bach", ["Douglas R. Hofstadter"], "9780465026562", 1),
    ("源氏物語", ["紫式部"], "", 1),
    ("Solaris\x1b[2J\twith\ncontrols", ["Stanisław Lem"], "", 1),
    ("Kindred", ["Octavia E. Butler"], "9780807083697", 1),
    ("Lost at Sea", ["Nobody"], "", 2),
    ("Bound", ["Nobody"], "", 0),
    *((f"Volume {number}", ["A. Serial"], "", 1) for number in range(22)),
]


@pytest.fixture(scope="module")
def desk(module_servers: Servers, databases: FreshDatabases) -> Desk:
    url = databases.migrated("frontend", "sqlite")
    with bound_store("frontend", url) as store:
        frontend = LocalFrontend(store, SettableClock(LONG_AGO))
        books = [
            new_book(title, copies=copies, authors=authors, isbn=isbn, language="en-GB" if isbn else "")
            for title, authors, isbn, copies in BOOKS
        ]
        frontend.receive(*books)
        people = {
            name: frontend.enroll(EnrollUserRequest(email=email, first_name=first, last_name=last))
            for name, email, first, last in [
                ("ada", "ada@example.org", "Ada", "Lovelace"),
                ("adam", "adam@example.org", "Adam", "Smith"),
                ("ada uk", "ada@example.org.uk", "Augusta", "Leigh"),
                ("jose", "jose@example.org", "", "José"),
                ("twin", "twin@example.net", "Ada", "Lovelace-King"),
                ("mary", "mary@example.org", "Mary", "Shelley"),
                ("other mary", "shelley@example.net", "Mary", "Shelley"),
                ("murasaki", "m@example.org", "紫", "式部"),
                ("gone", "gone@example.org", "Gone", "Away"),
            ]
        }
        frontend.close(people["gone"].id)
        lost = books[11].id
        old = {name: frontend.borrow(lost, people[name].id) for name in ("ada", "jose")}
    process = module_servers.start("frontend", url, ADMIN_TARGET=NOBODY)
    return Desk(process, process.frontend(), books, people, old)
