"""The order in which the push sends rows, and which rows an answer may park if they change while it is on its way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import grpc
import pytest

from admin_server.books.catalog import add_book
from admin_server.store.models import User as RecordedUser
from admin_server.sync.pairing import accept_frontend
from frontend_server.members.members import update_user
from frontend_server.store.models import IS_DUE, IS_PARKED, Loan, SyncState, User
from frontend_server.sync.parking import unpark
from frontend_server.sync.push import push
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.member_service_pb2 import UpdateUserRequest
from library.sync.v1.sync_service_pb2 import RecordStatesRequest, RecordStatesResponse
from library.v1 import user_pb2
from library.v1.book_pb2 import Book
from service_kit.errors import ServerBusy, rich_status
from service_kit.ids import new_id
from service_kit.revisions import head_revision
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Fault, Library, WireError

BATCH = 2


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, batch_rows=BATCH)
    yield library
    library.close()


# --- users before the loans that name them ---


def test_a_user_who_becomes_due_while_loans_are_sent_goes_before_the_other_loans(library: Library) -> None:
    """An operator asks for the parked rows to be tried again, just then."""
    book, rita = _begin(library)
    luke = library.enroll("luke").id
    with library.frontend.at_work():
        User.update(park_reason="refused before").where(User.id == luke).execute()
    for user in (rita, rita, luke):
        library.lend(book, user)

    _push_and_meanwhile(library, lambda: _unpark(library))

    assert _sent(library) == [("loans", [rita, rita]), ("users", [luke]), ("loans", [luke])]


def test_a_loan_that_is_made_while_loans_are_sent_goes_after_its_user(library: Library) -> None:
    """And the pass does not begin again for the new user: enrolments must not delay the loans made before them."""
    book, rita = _begin(library)
    for _ in range(2 * BATCH):
        library.lend(book, rita)
    new: list[str] = []

    def somebody_enrols_and_borrows() -> None:
        new.append(library.enroll("luke").id)
        library.lend(book, new[0])

    _push_and_meanwhile(library, somebody_enrols_and_borrows)

    assert _sent(library) == [
        ("loans", [rita, rita]),
        ("loans", [rita, rita]),
        ("users", new),
        ("loans", new),
    ]


def test_a_pass_begins_again_with_the_proof_when_a_resync_begins_while_users_are_sent(library: Library) -> None:
    """The restored admin may know a past that this store has lost, and what is sent to it first would hide that."""
    _, rita = _begin(library)
    backup = library.admin.backup()
    with library.admin.at_work() as store:
        add_book(store, AddBookRequest(title="A book of the lost past"), library.clock)
    library.pull()
    late = [library.enroll(f"late{number}").id for number in range(2 * BATCH)]

    def another_process_notices_the_loss() -> None:
        library.admin.restore(backup)
        library.start_admin()
        library.pull()

    _push_and_meanwhile(library, another_process_notices_the_loss)

    sent = _sent(library)
    assert sent[:2] == [("users", late[:BATCH]), ("users", [rita])], "the proof comes first"
    kind, users = sent[2]
    assert (kind, sorted(users)) == ("users", sorted([rita, late[0]])), "in any order: they have one revision by now"
    assert _recorded_names(library).keys() == {rita, *late}


# --- what an answer may park ---


def test_a_row_that_changes_while_the_admin_refuses_it_is_not_parked(library: Library) -> None:
    _begin(library)
    luke = library.enroll("luke").id
    with library.frontend.at_work():  # no client can make such a row; a fault of ours could
        User.update(first_name="Lu\x07ke").where(User.id == luke).execute()

    _push_and_meanwhile(library, lambda: _rename(library, luke, "Luke"))

    assert _recorded_names(library)[luke] == "Luke"
    assert not _parked(library)


def test_a_row_that_changes_while_the_admin_fails_at_it_is_not_parked(library: Library) -> None:
    _begin(library)
    luke = library.enroll("luke").id

    def record_states(request: RecordStatesRequest) -> RecordStatesResponse:
        if "luke" in [record.user.first_name for record in request.states]:
            _rename(library, luke, "Luke")
            raise WireError(grpc.StatusCode.INTERNAL, "something went wrong on the server")
        return library.record(request)

    with library.frontend.at_work() as store:
        push(store, record_states, library.clock, batch_rows=BATCH)
    library.push()

    assert _recorded_names(library)[luke] == "Luke"
    assert not _parked(library)


def test_an_admin_that_is_busy_now_and_then_parks_no_row(library: Library) -> None:
    _, rita = _begin(library)
    luke = library.enroll("luke").id
    busy = ServerBusy(limit="64 open calls")
    status = rich_status(busy, "request-1").SerializeToString()
    calls: list[int] = []

    def record_states(request: RecordStatesRequest) -> RecordStatesResponse:
        calls.append(len(request.states))
        if len(calls) == 1:  # and not when it is asked about a row that it has taken before
            raise WireError(busy.status, str(busy), (("grpc-status-details-bin", status),))
        return library.record(request)

    with library.frontend.at_work() as store, pytest.raises(WireError, match="RESOURCE_EXHAUSTED"):
        push(store, record_states, library.clock, batch_rows=BATCH)
    assert not _parked(library)
    library.push()
    assert _recorded_names(library).keys() == {rita, luke}


def test_a_frontend_that_is_not_accepted_parks_no_row(library: Library) -> None:
    """Its rows are as good as ever, and are taken when the operator accepts it."""
    _, rita = _begin(library)
    _rename(library, rita, "Margarita")  # so that there is no row of which the admin has the present version
    with library.admin.at_work() as store:
        accept_frontend(store, new_id())

    with pytest.raises(WireError, match="FAILED_PRECONDITION"):
        library.push()

    assert not _parked(library)
    with library.frontend.at_work():
        assert [row.id for row in User.select().where(IS_DUE)] == [rita]
        frontend_id = SyncState.get().frontend_id
    with library.admin.at_work() as store:
        accept_frontend(store, frontend_id)
    library.push()
    assert _recorded_names(library) == {rita: "Margarita"}


# --- the receipt, and revisions that this store never assigned ---


def test_a_restored_admin_is_noticed_by_the_users_that_are_pushed(library: Library) -> None:
    """Also where no book has changed since the backup, and before the next poll."""
    _begin(library)
    library.sync()
    backup = library.admin.backup()
    forgotten = library.enroll("luke").id
    library.push()
    library.admin.restore(backup)
    library.start_admin()
    late = library.enroll("anna").id

    library.push()

    assert {forgotten, late} <= _recorded_names(library).keys()


def test_a_receipt_of_the_lost_database_parks_no_row(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    """There is only one row, so no other one shows that the admin fails at every row."""
    _, rita = _begin(library)
    backup = library.admin.backup()
    _rename(library, rita, "Margarita")
    library.push()
    library.admin.restore(backup)
    library.start_admin()
    _rename(library, rita, "Greta")

    library.push()

    # The reading from the beginning, which follows, would send a parked row again.
    assert "row cannot be sent" not in caplog.text
    assert not _parked(library)
    assert _recorded_names(library) == {rita: "Greta"}


def test_a_store_moves_past_a_revision_that_it_never_assigned(library: Library) -> None:
    """The file of the store was put back while the process ran, so nothing was to be proved."""
    _, rita = _begin(library)
    library.sync()
    backup = library.frontend.backup()
    for name in ("Margarita", "Greta", "Grit"):
        _rename(library, rita, name)
    library.push()
    library.frontend.restore(backup)
    with library.frontend.at_work():
        assert not SyncState.get().start_revision
    _rename(library, rita, "Rita Maria")

    library.push()

    assert _recorded_names(library) == {rita: "Rita Maria"}


def test_what_changes_after_a_store_moved_past_is_newer_to_the_admin(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    _, rita = _begin(library)
    library.sync()
    backup = library.frontend.backup()
    for number in range(5):
        library.enroll(f"lost{number}")
    library.push()
    library.frontend.restore(backup)
    library.start_frontend()
    library.push()
    with library.frontend.at_work():
        assert head_revision() >= User.get().revision
    moves = caplog.text.count("this store is older than what the admin recorded")
    assert moves == 1

    _rename(library, rita, "Margarita")
    library.push()

    assert _recorded_names(library)[rita] == "Margarita"
    assert caplog.text.count("this store is older than what the admin recorded") == moves, "once is enough"


# --- steps ---


def _begin(library: Library) -> tuple[Book, str]:
    """Have a book with many copies and a user, both known on both sides."""
    book = library.add_book("A book", copies=20)
    library.pull()
    rita = library.enroll("rita").id
    library.push()
    return book, rita


def _rename(library: Library, user_id: str, name: str) -> None:
    request = UpdateUserRequest(user=user_pb2.User(id=user_id, first_name=name))
    with library.frontend.at_work() as store:
        update_user(store, request, library.clock)


def _unpark(library: Library) -> None:
    with library.frontend.at_work() as store:
        unpark(store)


def _push_and_meanwhile(library: Library, something: Callable[[], object]) -> None:
    """Push, and let something happen while the admin's first answer is on its way."""
    library.wire.sent.clear()
    library.wire.meanwhile = something
    library.wire.faults.append(Fault.MEANWHILE)
    library.push()
    assert not library.wire.faults


def _sent(library: Library) -> list[tuple[str, list[str]]]:
    """What was sent of users and loans, and of which users, message by message and kind by kind."""
    sent = []
    for request in library.wire.sent:
        if isinstance(request, RecordStatesRequest):
            for kind, states in itertools.groupby(request.states, lambda state: state.WhichOneof("state")):
                if kind == "history":
                    continue
                sent.append((f"{kind}s", [state.user.id or state.loan.user_id for state in states]))
    return sent


def _recorded_names(library: Library) -> dict[str, str]:
    with library.admin.at_work():
        return {row.id: row.first_name for row in RecordedUser.select()}


def _parked(library: Library) -> list[str]:
    with library.frontend.at_work():
        return [row.park_reason for model in (User, Loan) for row in model.select().where(IS_PARKED)]
