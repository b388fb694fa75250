"""Stores restored from old backups, at either side: the two come to agree again by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.store.models import Loan as RecordedLoan
from admin_server.store.models import User as RecordedUser
from admin_server.sync.epochs import decode_cursor
from frontend_server.circulation.checkin import return_book
from frontend_server.members.members import update_user
from frontend_server.store.models import IS_DUE, SyncState
from frontend_server.store.models import Loan as OwnLoan
from library.frontend.v1.lending_service_pb2 import ReturnBookRequest
from library.frontend.v1.member_service_pb2 import UpdateUserRequest
from library.sync.v1.sync_service_pb2 import RecordStatesRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_domain.errors import CursorExpired
from library_domain.loans import loan_message
from service_kit.clock import micros
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import RULES, Fault, Library


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    yield library
    library.close()


# --- the admin, step by step ---


@pytest.mark.parametrize("first", ["pull", "push"])
def test_the_receipt_alone_shows_that_loans_were_forgotten(library: Library, first: str) -> None:
    books, user = _begin(library)
    library.sync()
    backup = library.admin.backup()
    for book in books:
        library.lend(book, user.id)
        library.push()  # no pull, so the cursor stays where the backup still knows it
    with library.frontend.at_work():
        state = SyncState.get()
    library.admin.restore(backup)
    library.start_admin()
    with library.admin.at_work():
        decode_cursor(state.cursor, "cursor")
        with pytest.raises(CursorExpired):
            decode_cursor(state.receipt, "receipt")

    if first == "push":  # a loan made while the admin was away goes to the restored one before any pull
        library.lend(books[0], user.id)
        library.push()
        assert _recorded(library) == _own(library), "the push itself is to notice"
    library.sync()

    assert _recorded(library) == _own(library)
    assert len(_recorded(library)) == len(books) + (first == "push")


def test_an_answer_of_the_lost_admin_settles_nothing(library: Library) -> None:
    books, user = _begin(library)
    library.sync()
    backup = library.admin.backup()
    for book in books[:2]:
        library.lend(book, user.id)
    library.sync()
    library.lend(books[2], user.id)

    def admin_is_restored_and_seen() -> None:
        library.admin.restore(backup)
        library.start_admin()
        library.pull()

    _while_a_loan_is_pushed(library, admin_is_restored_and_seen)
    with library.frontend.at_work():
        assert SyncState.get().generation == 2
    library.push()

    assert _recorded(library) == _own(library)
    assert len(_recorded(library)) == 3


def test_a_row_that_changes_while_it_is_pushed_is_pushed_again(library: Library) -> None:
    books, user = _begin(library)
    library.sync()
    loan = library.lend(books[0], user.id)

    def it_comes_back() -> None:
        with library.frontend.at_work() as store:
            return_book(store, ReturnBookRequest(loan_id=loan.id), RULES, library.clock)

    _while_a_loan_is_pushed(library, it_comes_back)

    assert _recorded(library) == _own(library)
    assert _recorded(library)[loan.id].HasField("return_time")


def test_of_two_answers_that_cross_the_older_receipt_does_not_stay(library: Library) -> None:
    """Two processes of one frontend push at a time; a backup from between the two answers must not pass for newer."""
    books, user = _begin(library)
    library.sync()
    library.lend(books[0], user.id)
    backups: list[str] = []

    def another_process_pushes_more() -> None:
        backups.append(library.admin.backup())
        library.lend(books[1], user.id)
        library.push()

    _while_a_loan_is_pushed(library, another_process_pushes_more)
    library.admin.restore(backups[0])
    library.start_admin()
    library.sync()

    assert _recorded(library) == _own(library)
    assert len(_recorded(library)) == 2


# --- the frontend ---


@pytest.mark.parametrize("later_changes", [0, 1, 12], ids=["untouched", "behind", "overtaken"])
@pytest.mark.parametrize("started", ["once", "twice"])
def test_a_frontend_restored_from_a_backup(library: Library, later_changes: int, started: str) -> None:
    books, user = _begin(library)
    library.sync()
    kept = [library.lend(book, user.id) for book in books[:2]]
    library.sync()
    backup = library.frontend.backup()
    with library.frontend.at_work() as store:
        return_book(store, ReturnBookRequest(loan_id=kept[0].id), RULES, library.clock)
    lost = library.lend(books[2], user.id)
    library.sync()
    library.frontend.restore(backup)
    library.start_frontend()

    library.wire.is_cut = True  # it lends on its own for a while, and its revisions overtake those that it lost
    with library.frontend.at_work() as store:
        for number in range(later_changes):
            library.enroll(f"late{number}")
        if later_changes:
            return_book(store, ReturnBookRequest(loan_id=kept[1].id), RULES, library.clock)
    if started == "twice":
        library.start_frontend()  # before the admin was asked: the first start is still the one to prove
    library.wire.is_cut = False
    library.sync()

    recorded = _recorded(library)
    assert recorded.pop(lost.id) == lost  # it happened, though the frontend has lost it
    assert recorded == _own(library)
    assert not recorded[kept[0].id].HasField("return_time")
    assert library.replica() == library.catalogue()


@pytest.mark.parametrize("changes", [1, 2, 3, 4])
@pytest.mark.parametrize("backup_is", ["before the first sync", "after it"])
def test_a_frontend_restored_from_a_backup_whose_users_have_all_changed_since(
    library: Library, changes: int, backup_is: str
) -> None:
    _, user = _begin(library)
    if backup_is == "after it":
        library.sync()
    backup = library.frontend.backup()
    for number in range(changes):
        _rename_here(library, user, f"Lost {number}")
    library.sync()
    library.frontend.restore(backup)
    library.start_frontend()

    renamed = _rename_here(library, user, "Kept")
    library.sync()

    with library.admin.at_work():
        recorded = RecordedUser.get(RecordedUser.id == user.id)
    assert (recorded.first_name, recorded.update_time) == ("Kept", micros(renamed.update_time))


def test_both_restored_and_then_the_admin_to_the_newer_backup(library: Library) -> None:
    """The admin then has revisions that this frontend assigned before it was restored; its present state must win."""
    books, user = _begin(library)
    kept = library.lend(books[0], user.id)
    library.sync()
    early_admin, early_frontend = library.admin.backup(), library.frontend.backup()
    with library.frontend.at_work() as store:
        return_book(store, ReturnBookRequest(loan_id=kept.id), RULES, library.clock)
    library.sync()
    lost_admin = library.admin.backup()

    library.admin.restore(early_admin)
    library.frontend.restore(early_frontend)
    library.start_admin()
    library.start_frontend()
    library.sync()
    for number in range(12):
        library.enroll(f"late{number}")
    library.sync()
    library.admin.restore(lost_admin)
    library.start_admin()
    library.sync()

    assert _recorded(library) == _own(library)
    assert not _own(library)[kept.id].HasField("return_time")


def test_a_frontend_that_was_not_restored_pushes_nothing_twice_when_it_starts(library: Library) -> None:
    books, user = _begin(library)
    for book in books[:3]:
        library.lend(book, user.id)
    library.sync()
    before = library.frontend.contents()

    library.start_frontend()
    library.enroll("late")
    library.wire.sent.clear()
    library.sync()

    sent = [request.states for request in library.wire.sent if isinstance(request, RecordStatesRequest)]
    kinds = [[state.WhichOneof("state") for state in states] for states in sent]
    assert kinds == [["user"], ["user", "history"]], "the proof, then what is new"
    assert library.frontend.contents()["loan"] == before["loan"]


# --- steps ---


def _begin(library: Library) -> tuple[list[Book], User]:
    books = [library.add_book(f"Book {number}", copies=2) for number in range(5)]
    library.pull()
    return books, library.enroll("rita")


def _rename_here(library: Library, user: User, first_name: str) -> User:
    changed = User(id=user.id, first_name=first_name)
    request = UpdateUserRequest(user=changed, update_mask=FieldMask(paths=["first_name"]))
    with library.frontend.at_work() as store:
        return update_user(store, request, library.clock)


def _own(library: Library) -> dict[str, Loan]:
    with library.frontend.at_work():
        assert not OwnLoan.select().where(IS_DUE).count()
        return {row.id: loan_message(row, library.clock()) for row in OwnLoan.select()}


def _recorded(library: Library) -> dict[str, Loan]:
    with library.admin.at_work():
        return {row.id: loan_message(row, library.clock()) for row in RecordedLoan.select()}


def _while_a_loan_is_pushed(library: Library, something: Callable[[], object]) -> None:
    """Push one loan, and do something while the admin's answer is on its way."""
    library.wire.meanwhile = something
    library.wire.faults.append(Fault.MEANWHILE)
    library.push()
    assert not library.wire.faults
