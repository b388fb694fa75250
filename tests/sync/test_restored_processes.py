"""Server processes whose databases are restored from old backups: both sides come to agree again by themselves."""

from __future__ import annotations

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from library.admin.v1.catalog_service_pb2 import AddBookRequest, RemoveBookRequest, UpdateBookRequest
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.frontend.v1.catalog_service_pb2 import GetBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from service_kit.store import open_store
from tests.support.clients import AdminClient, FrontendClient
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import (
    catalogue,
    eventually,
    loans,
    recorded_loans,
    recorded_users,
    replica,
    status,
    wait_until_they_agree,
)

INTERVAL = "0.2"


@pytest.mark.slow
def test_an_admin_restored_from_a_backup_and_changed_past_its_old_revision(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL=INTERVAL
    )
    librarian, patron = admin.admin(), frontend.frontend()
    old_books = [_add(librarian, f"Book {number}", copies=3) for number in range(20)]
    eventually(lambda: len(replica(patron)) == 20, "the first books are there")
    user = _enroll(patron, "rita")
    first = [_borrow(patron, book, user) for book in old_books[:5]]
    wait_until_they_agree(librarian, patron)
    backup = _backup(databases, admin)

    # 100 changes and 20 loans that the backup does not know, of books old and new.
    new_books = [_add(librarian, f"New book {number}", copies=1) for number in range(60)]
    for book in old_books[:15] + new_books[:15]:
        _retitle(librarian, book)
    for book in new_books[-10:]:
        librarian.catalog.RemoveBook(RemoveBookRequest(id=book.id), timeout=100)
    eventually(lambda: catalogue(librarian) == replica(patron), "the changes are there")
    late_user = _enroll(patron, "luke")
    later = [_borrow(patron, book, late_user) for book in old_books[:10] + new_books[:10]]
    for loan in (first[0], later[0], later[19]):
        patron.lending.ReturnBook(ReturnBookRequest(loan_id=loan.id), timeout=100)
    wait_until_they_agree(librarian, patron)
    old_revision = _revision(librarian)
    generations = _resyncs(frontend)
    admin.kill()

    # Restored, and changed past the old revision before the frontend can see it.
    admin.database_url = databases.copy(backup)
    elsewhere = servers.start("admin", admin.database_url)
    others = [_add(elsewhere.admin(), f"Other book {number}") for number in range(150)]
    _retitle(elsewhere.admin(), old_books[3])
    assert _revision(elsewhere.admin()) > old_revision
    elsewhere.stop()
    admin.start()

    wait_until_they_agree(librarian, patron, [user.id, late_user.id])
    assert len(replica(patron)) == len(old_books) + len(others)
    assert recorded_loans(librarian).keys() == {loan.id for loan in first + later}
    assert recorded_users(librarian).keys() == {user.id, late_user.id}
    assert _resyncs(frontend) == generations + 1
    assert not status(patron).resyncing
    gone = patron.catalog.GetBook(GetBookRequest(id=new_books[0].id), timeout=100)
    assert gone.state == BOOK_STATE_REMOVED


def test_an_admin_restored_from_a_backup_after_which_there_were_only_loans(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL=INTERVAL
    )
    librarian, patron = admin.admin(), frontend.frontend()
    books = [_add(librarian, f"Book {number}", copies=3) for number in range(20)]
    eventually(lambda: len(replica(patron)) == 20, "the books are there")
    user = _enroll(patron, "rita")
    eventually(lambda: len(recorded_users(librarian)) == 1, "the user is recorded")
    backup = _backup(databases, admin)
    lent = [_borrow(patron, book, user) for book in books]
    wait_until_they_agree(librarian, patron)
    admin.stop()

    admin.database_url = databases.copy(backup)
    admin.start()

    wait_until_they_agree(librarian, patron)
    assert recorded_loans(librarian).keys() == {loan.id for loan in lent}


def test_a_frontend_process_restored_from_a_backup(servers: Servers, databases: FreshDatabases, engine: Engine) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL=INTERVAL
    )
    librarian, patron = admin.admin(), frontend.frontend()
    books = [_add(librarian, f"Book {number}", copies=3) for number in range(10)]
    eventually(lambda: len(replica(patron)) == 10, "the books are there")
    user = _enroll(patron, "rita")
    kept = [_borrow(patron, book, user) for book in books[:5]]
    wait_until_they_agree(librarian, patron)
    backup = _backup(databases, frontend)
    for loan in kept[:3]:
        patron.lending.ReturnBook(ReturnBookRequest(loan_id=loan.id), timeout=100)
    lost = [_borrow(patron, book, user) for book in books[5:]]
    wait_until_they_agree(librarian, patron)
    frontend.kill()

    frontend.database_url = databases.copy(backup)
    frontend.start()

    def agree_on_what_is_left() -> bool:
        recorded = recorded_loans(librarian)
        assert all(recorded.pop(loan.id) for loan in lost)
        return recorded == loans(patron)

    eventually(agree_on_what_is_left, "the admin has the loans as the frontend has them")
    assert loans(patron).keys() == {loan.id for loan in kept}
    assert catalogue(librarian) == replica(patron)


# --- steps ---


def _backup(databases: FreshDatabases, server: ServerProcess) -> str:
    """A backup as operators make one: of SQLite while the server runs, of PostgreSQL here while it does not."""
    if server.database_url.startswith("sqlite:"):
        url = databases.empty("sqlite")
        store = open_store(server.database_url)
        store.database.execute_sql("VACUUM INTO ?", (url.removeprefix("sqlite:///"),))
        store.close()
        return url
    server.stop()
    url = databases.copy(server.database_url)
    server.start()
    return url


def _resyncs(frontend: ServerProcess) -> int:
    """How often the catalogue was read again because the admin was restored from a backup."""
    beginning = "the admin was restored from a backup"
    return sum(str(event["event"]).startswith(beginning) for event in frontend.log_events())


def _revision(librarian: AdminClient) -> int:
    reply = librarian.status.GetStatus(GetStatusRequest(), timeout=100)
    return int(reply.revision)


def _add(librarian: AdminClient, title: str, copies: int = 1) -> Book:
    book: Book = librarian.catalog.AddBook(AddBookRequest(title=title, copies=copies), timeout=100)
    return book


def _retitle(librarian: AdminClient, book: Book) -> None:
    changed = Book(id=book.id, title=f"{book.title}, revised")
    librarian.catalog.UpdateBook(UpdateBookRequest(book=changed, update_mask=FieldMask(paths=["title"])), timeout=100)


def _enroll(patron: FrontendClient, name: str) -> User:
    request = EnrollUserRequest(email=f"{name}@example.org", first_name=name, last_name="Reader")
    user: User = patron.members.EnrollUser(request, timeout=100)
    return user


def _borrow(patron: FrontendClient, book: Book, user: User) -> Loan:
    request = BorrowBookRequest(book_id=book.id, user_id=user.id, days=7)
    loan: Loan = patron.lending.BorrowBook(request, timeout=100)
    return loan
