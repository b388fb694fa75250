"""One frontend per admin, and rows that the admin refuses: shown, in nobody's way, and tried again when that helps."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from click.testing import CliRunner

import admin_server.__main__
from admin_server.books.catalog import add_book
from admin_server.store.models import Loan as RecordedLoan
from admin_server.store.models import User as RecordedUser
from frontend_server.circulation.checkin import return_book
from frontend_server.circulation.checkout import borrow_book
from frontend_server.members.members import enroll_user
from frontend_server.store.models import IS_DUE, IS_PARKED, Loan, User
from frontend_server.sync.parking import unpark
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.frontend.v1.sync_service_pb2 import SyncNowRequest
from library.sync.v1.sync_service_pb2 import RecordStatesRequest
from service_kit.store import open_store
from tests.support.clients import FrontendClient, refusal_of
from tests.support.processes import Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually, recorded_users, replica, status
from tests.sync.libraries import RULES, Library


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    yield library
    library.close()


def test_a_second_frontend_is_refused_until_an_operator_accepts_it(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    librarian = admin.admin()
    librarian.catalog.AddBook(AddBookRequest(title="A book"), timeout=100)
    first, second = (
        servers.start(
            "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
        ).frontend()
        for _ in range(2)
    )
    rita = _enroll(first, "rita")
    eventually(lambda: recorded_users(librarian).keys() == {rita}, "the first frontend's user is recorded")

    luke = _enroll(second, "luke")
    eventually(lambda: status(second).last_push_error != "", "the refusal is shown")
    seen = status(second)
    assert seen.last_push_error.startswith("FAILED_PRECONDITION")
    assert f"library-admin accept-frontend {seen.frontend_id}" in seen.last_push_error
    assert (seen.waiting_user_count, seen.parked_row_count) == (1, 0)
    assert not replica(second), "the catalogue is for the paired frontend, too"
    with pytest.raises(grpc.RpcError) as refused:
        second.sync.SyncNow(SyncNowRequest(), timeout=100)
    refusal = refusal_of(refused.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "OTHER_FRONTEND")
    assert refusal.metadata == {"frontend_id": status(first).frontend_id, "other_frontend_id": seen.frontend_id}
    assert recorded_users(librarian).keys() == {rita}

    accepted = CliRunner().invoke(
        admin_server.__main__.commands, ["accept-frontend", seen.frontend_id, "--database-url", admin.database_url]
    )
    assert (accepted.exit_code, accepted.exception) == (0, None), accepted.output
    assert seen.frontend_id in accepted.output

    eventually(lambda: recorded_users(librarian).keys() == {rita, luke}, "the second frontend's user is let in")
    eventually(lambda: status(second).last_push_error == "", "its status has no error")
    _enroll(first, "anna")
    eventually(lambda: status(first).last_push_error != "", "now the first one is refused")
    assert recorded_users(librarian).keys() == {rita, luke}


def test_a_refused_row_is_parked_and_does_not_delay_others(library: Library) -> None:
    with library.admin.at_work() as store:
        book = add_book(store, AddBookRequest(title="A book", copies=5), library.clock)
    library.sync()
    with library.frontend.at_work() as store:
        users = [enroll_user(store, _request(name), library.clock) for name in ("rita", "luke", "anna")]
        loans = [
            borrow_book(store, BorrowBookRequest(book_id=book.id, user_id=user.id, days=7), RULES, library.clock)
            for user in users
        ]
        # No client can make such rows; a fault of ours could.
        User.update(first_name="Lu\x07ke").where(User.id == users[1].id).execute()
        Loan.update(book_title="A \x07 book").where(Loan.id == loans[0].id).execute()
    library.push()

    assert _recorded(library) == ({users[0].id, users[2].id}, {loans[1].id, loans[2].id})
    assert _parked(library) == {
        users[1].id: "user.first_name must not contain control characters",
        loans[0].id: "loan.book_title must not contain control characters",
    }
    assert _rows_sent(library) == 0, "a parked row is not sent at every turn"

    with library.frontend.at_work() as store:  # it changes, so it goes again; it is as bad as it was
        return_book(store, ReturnBookRequest(loan_id=loans[0].id), RULES, library.clock)
    assert _rows_sent(library) == 2, "the loan, and the new entry of its history"
    assert loans[0].id in _parked(library)

    with library.frontend.at_work() as store:
        User.update(first_name="Luke").where(User.id == users[1].id).execute()
        Loan.update(book_title="A book").where(Loan.id == loans[0].id).execute()
        assert _rows_sent(library) == 0, "the push cannot see that the row was corrected"
        unpark(store)
    assert _rows_sent(library) == 2
    assert _recorded(library) == ({user.id for user in users}, {loan.id for loan in loans})
    assert not _parked(library)


def test_parked_rows_are_shown_and_tried_again_when_asked(servers: Servers, databases: FreshDatabases) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    frontend = servers.prepare(
        "frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET="127.0.0.1:1", SYNC_INTERVAL="0.1"
    )
    frontend.start()
    patron = frontend.frontend()
    luke, rita = _enroll(patron, "luke"), _enroll(patron, "rita")
    frontend.stop()
    store = open_store(frontend.database_url)
    store.database.execute_sql("UPDATE user_account SET first_name = 'Lu' || char(7) || 'ke' WHERE id = ?", (luke,))
    frontend.settings["ADMIN_TARGET"] = admin.address
    frontend.start()

    eventually(lambda: recorded_users(admin.admin()).keys() == {rita}, "the other user is recorded")
    eventually(lambda: status(patron).parked_row_count == 1, "the parked row is counted")
    row = status(patron).parked_rows[0]
    assert (row.kind, row.id) == ("user", luke)
    assert row.reason == "user.first_name must not contain control characters"
    assert status(patron).waiting_user_count == 0
    assert patron.sync.SyncNow(SyncNowRequest(), timeout=100).parked_rows == [row]
    assert patron.sync.SyncNow(SyncNowRequest(retry_parked=True), timeout=100).parked_rows == [row]

    store.database.execute_sql("UPDATE user_account SET first_name = 'Luke' WHERE id = ?", (luke,))
    store.close()
    assert not patron.sync.SyncNow(SyncNowRequest(retry_parked=True), timeout=100).parked_row_count
    assert recorded_users(admin.admin()).keys() == {luke, rita}


def _request(name: str) -> EnrollUserRequest:
    return EnrollUserRequest(email=f"{name}@example.org", first_name=name.title(), last_name="Reader")


def _enroll(patron: FrontendClient, name: str) -> str:
    return str(patron.members.EnrollUser(_request(name), timeout=100).id)


def _recorded(library: Library) -> tuple[set[str], set[str]]:
    with library.admin.at_work():
        return {row.id for row in RecordedUser.select()}, {row.id for row in RecordedLoan.select()}


def _parked(library: Library) -> dict[str, str]:
    """Why each parked row was refused, by its id."""
    with library.frontend.at_work() as store, store.reading():
        rows = [*User.select().where(IS_PARKED), *Loan.select().where(IS_PARKED)]
        assert not User.select().where(IS_DUE).count() + Loan.select().where(IS_DUE).count()
        return {row.id: row.park_reason for row in rows}


def _rows_sent(library: Library) -> int:
    """How many rows a push sends."""
    library.wire.sent.clear()
    library.push()
    return sum(len(request.states) for request in library.wire.sent if isinstance(request, RecordStatesRequest))
