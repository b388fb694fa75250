"""Stores that the first schema filled are brought to the one that finds users: `0003_users` of both services."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_server.reports import users as user_reports
from frontend_server.members import members
from frontend_server.store.models import IS_DUE, User
from library.admin.v1.user_service_pb2 import ListUsersRequest as AdminListUsersRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library_domain.barcodes import card_number
from library_domain.errors import EmailTaken
from service_kit.ids import new_id
from service_kit.migrations import migrate, pending
from service_kit.store import Store, open_store
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend
from tests.support.stores import FreshDatabases, ServerName, bound_store, migrations_of

# Who enrolled under the first schema: address, first name, last name, and the key that it made of the address.
PEOPLE = [
    ("Ada@example.org", "Ada", "Lovelace", "ada@example.org"),
    ("groß@example.org", "Käthe", "Groß", "gross@example.org"),
    ("eve@faß.example", "Eve", "\u200b", "eve@fass.example"),
    ("bob@bücher.example", "Bob", "Bücher", "bob@bücher.example"),
    # Two that only a store changed by hand can have: one address by the rules of today, two by those of then.
    ("twin@example.org", "Castor", "First", "twin-of-old@example.org"),
    ("TWIN@example.org", "Pollux", "Second", "twin-in-capitals@example.org"),
    # The key of then is somebody else's by now.
    ("TWIN@example.org", "Third", "Twin", "ada.taken@example.org"),
    ("ada.taken@example.org", "Fourth", "Taken", "ada.taken.then@example.org"),
]


def first_schema(databases: FreshDatabases, server: ServerName, engine: str, folder: Path) -> str:
    """A database with the tables of the first schema, and these people in it; its URL."""
    url = databases.empty(engine)  # type: ignore[arg-type]
    shutil.copy(migrations_of(server) / "0001_initial.py", folder)
    store = open_store(url)
    migrate(store, folder)
    for number, (email, first_name, last_name, key) in enumerate(PEOPLE, 1):
        columns = {"id": new_id(), "email": email, "first_name": first_name, "last_name": last_name, "state": 1}
        columns |= {"create_time": 1, "update_time": 1, "revision": number}
        if server == "frontend":
            columns |= {"request_digest": "", "pushed_revision": 0, "park_reason": "", "email_key": key}
            columns |= {"active_loan_count": 0}
        names, marks = ", ".join(columns), ", ".join([store.database.param] * len(columns))
        with store.writing():
            store.database.execute_sql(f"INSERT INTO user_account ({names}) VALUES ({marks})", list(columns.values()))
            store.database.execute_sql(f"UPDATE counter SET revision = {number}")
    store.close()
    return url


def migrated(url: str, server: ServerName) -> None:
    store = open_store(url)
    assert "0003_users" in pending(store, migrations_of(server))
    migrate(store, migrations_of(server))
    store.close()


@pytest.fixture
def migrated_frontend(databases: FreshDatabases, engine: str, tmp_path: Path) -> Iterator[Store]:
    url = first_schema(databases, "frontend", engine, tmp_path)
    migrated(url, "frontend")
    with bound_store("frontend", url) as store:
        yield store


@pytest.fixture
def admin(databases: FreshDatabases, engine: str, tmp_path: Path) -> Iterator[Store]:
    url = first_schema(databases, "admin", engine, tmp_path)
    migrated(url, "admin")
    with bound_store("admin", url) as store:
        yield store


FINDS = [
    ("lace", ["Ada"]),
    ("ADA@example.org", ["Ada"]),
    ("groß@example.org", ["Käthe"]),
    ("kathe", ["Käthe"]),
    ("ucher", ["Bob"]),
    ("bob@xn--bcher-kva.example", ["Bob"]),
    ("twin pollux", ["Pollux"]),
    ("twin example", ["Castor", "Pollux", "Third"]),
]


def test_the_users_of_a_frontend_are_found_and_keep_their_addresses(
    migrated_frontend: Store, clock: SettableClock
) -> None:
    frontend = LocalFrontend(migrated_frontend, clock)
    for query, first_names in FINDS:
        assert [user.first_name for user in frontend.users(query)] == first_names, query
    assert [user.email for user in frontend.users()] == [email for email, *_ in PEOPLE]
    keys = {row.first_name: row.email_key for row in User.select()}
    assert keys["Castor"] == "twin@example.org"
    assert keys["Pollux"] == "twin-in-capitals@example.org"
    assert len(set(keys.values())) == len(PEOPLE)

    def enroll(email: str) -> str:
        return members.enroll_user(
            migrated_frontend, EnrollUserRequest(email=email, first_name="A", last_name="B"), clock
        ).id

    for email in ("ADA@example.org", "GROẞ@example.org", "twin@example.org", "eve@xn--fa-hia.example"):
        with pytest.raises(EmailTaken):
            enroll(email)
    for email in ("gross@example.org", "eve@fass.example"):
        assert enroll(email)
    ada = frontend.users("ada@example.org")[0]
    frontend.close(ada.id)
    assert enroll("ada@example.org")
    assert frontend.change(frontend.users("pollux")[0].id, last_name="Third").last_name == "Third"


def test_the_users_of_a_frontend_get_cards_and_are_pushed_again(migrated_frontend: Store, clock: SettableClock) -> None:
    frontend = LocalFrontend(migrated_frontend, clock)
    cards = [card_number(number) for number in range(1, len(PEOPLE) + 1)]
    assert [user.card_number for user in frontend.users()] == cards
    assert [[user.card_number for user in frontend.users(card)] for card in cards] == [[card] for card in cards]
    rows = list(User.select().order_by(User.key))
    assert [row.revision for row in rows] == list(range(len(PEOPLE) + 1, 2 * len(PEOPLE) + 1))
    assert User.select().where(IS_DUE).count() == len(PEOPLE)
    new = frontend.enroll(EnrollUserRequest(first_name="New"))
    assert new.card_number == card_number(len(PEOPLE) + 1)
    assert User.get(User.id == new.id).revision > 2 * len(PEOPLE)


def test_the_users_of_an_admin_are_found(admin: Store) -> None:
    for query, first_names in FINDS:
        if query.startswith("twin "):
            continue
        found, _ = user_reports.list_users(admin, AdminListUsersRequest(query=query))
        assert [user.first_name for user in found] == first_names, query
    assert len(user_reports.list_users(admin, AdminListUsersRequest())[0]) == len(PEOPLE)
