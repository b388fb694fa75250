"""A resync that another process of the frontend begins while this one waits for an answer, and rows that are parked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
import pytest

from admin_server.books.catalog import add_book
from admin_server.store.models import User as RecordedUser
from frontend_server.members.members import enroll_user
from frontend_server.store.models import IS_DUE, IS_PARKED, NOTHING_IS_SURE, SyncState, User
from frontend_server.sync.push import push
from frontend_server.sync.resync import begin_resync
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.sync.v1.sync_service_pb2 import RecordStatesRequest, RecordStatesResponse
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Fault, Library, WireError


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    yield library
    library.close()


# --- answers from before it ---


def test_a_page_of_the_lost_past_is_not_applied_after_the_resync_began(library: Library) -> None:
    """Neither of the two has a cursor yet, so it is not the cursor that tells the page from one of the resync."""
    backup = library.admin.backup()
    _add(library, "A book of the lost past")
    _enroll(library, "rita")
    library.push()  # there is a receipt, by which the loss is noticed

    def another_process_notices_it() -> None:
        _restore_admin(library, backup)
        library.wire.faults.extend([Fault.NONE, Fault.REQUEST_LOST])
        with pytest.raises(WireError):
            library.pull()  # it is told of the loss, and does not come further

    _meanwhile(library, another_process_notices_it)
    library.pull()

    assert library.replica() == {}
    state = _state(library)
    assert (state.generation, state.cursor, state.resyncing) == (2, "", True)
    library.pull()
    assert not _state(library).resyncing


def test_the_first_answer_of_an_admin_that_is_no_more_settles_nothing(library: Library) -> None:
    """No receipt was there before it, so it is not the receipt that tells it from an answer of the restored admin."""
    backup = library.admin.backup()
    _add(library, "A book of the lost past")
    library.pull()
    library.push()  # proves without a call that this store is no old copy: it has no users yet
    rita = _enroll(library, "rita")

    def another_process_notices_it() -> None:
        _restore_admin(library, backup)
        library.pull()

    _meanwhile(library, another_process_notices_it)
    library.push()

    assert _recorded(library) == {rita}
    assert _state(library).generation == 2, "its receipt would have begun another resync"
    with library.frontend.at_work():
        assert not User.select().where(IS_DUE).exists()


def test_a_proof_that_the_lost_admin_answered_proves_nothing(library: Library) -> None:
    backup = library.admin.backup()
    _add(library, "A book of the lost past")
    library.pull()
    _enroll(library, "rita")
    library.push()
    library.start_frontend()

    def another_process_notices_it() -> None:
        _restore_admin(library, backup)
        library.pull()
        library.wire.faults.append(Fault.REQUEST_LOST)

    _meanwhile(library, another_process_notices_it)
    with pytest.raises(WireError):
        library.push()

    assert _state(library).start_revision == NOTHING_IS_SURE


def test_a_row_at_which_the_lost_admin_failed_is_not_parked_after_the_resync_began(library: Library) -> None:
    _add(library, "A book")
    _enroll(library, "rita")
    library.sync()
    backup = library.admin.backup()
    _add(library, "A book of the lost past")
    library.pull()
    luke = _enroll(library, "luke")
    failures = iter([True])

    def record_states(request: RecordStatesRequest) -> RecordStatesResponse:
        if next(failures, False):
            _restore_admin(library, backup)
            library.pull()  # of another process
            library.wire.is_cut = True
            raise WireError(grpc.StatusCode.INTERNAL, "something went wrong on the server")
        return library.record(request)

    with library.frontend.at_work() as store, pytest.raises(WireError, match="UNAVAILABLE"):
        push(store, record_states, library.clock)
    assert not _parked(library), "nothing is known of what the restored admin says to it"

    library.wire.is_cut = False
    library.sync()
    assert luke in _recorded(library)


def test_of_two_who_notice_the_same_loss_one_begins_the_resync(library: Library) -> None:
    _add(library, "A book")
    library.sync()
    state = _state(library)
    with library.frontend.at_work() as store:
        begin_resync(store, state)
    begun = library.frontend.contents()
    with library.frontend.at_work() as store:
        begin_resync(store, state)
    assert library.frontend.contents() == begun


# --- what was refused before it ---


def test_a_parked_row_is_sent_to_the_admin_that_was_restored(library: Library) -> None:
    """Perhaps it takes it: it may be restored because it was at fault. The status says so from then on."""
    backup = library.admin.backup()
    _add(library, "A book of the lost past")
    library.pull()
    luke = _parked_user(library)
    _restore_admin(library, backup)

    library.pull()
    assert not _parked(library)
    library.sync()

    assert not _parked(library)
    assert luke in _recorded(library)


def test_what_the_restored_admin_has_to_be_sent_waits_from_the_moment_that_the_loss_is_noticed(
    library: Library,
) -> None:
    """An operator who asks in between, while the admin is away again, is not to read that both are in step."""
    backup = library.admin.backup()
    _add(library, "A book of the lost past")
    users = {_enroll(library, name) for name in ("rita", "luke")}
    library.sync()
    _restore_admin(library, backup)

    library.pull()

    with library.frontend.at_work():
        assert {row.id for row in User.select().where(IS_DUE)} == users


def test_a_parked_row_is_sent_again_by_a_store_that_moves_past_its_old_revisions(library: Library) -> None:
    luke = _parked_user(library)
    backup = library.frontend.backup()
    for number in range(5):
        _enroll(library, f"lost{number}")
    library.push()
    library.frontend.restore(backup)
    library.start_frontend()

    library.sync()

    assert not _parked(library)
    assert luke in _recorded(library)


# --- steps ---


def _meanwhile(library: Library, something: Callable[[], object]) -> None:
    """Let something happen while the next answer, or that after the faults in line, is on its way."""
    library.wire.meanwhile = something
    library.wire.faults.append(Fault.MEANWHILE)


def _restore_admin(library: Library, backup: str) -> None:
    library.admin.restore(backup)
    library.start_admin()


def _add(library: Library, title: str) -> None:
    with library.admin.at_work() as store:
        add_book(store, AddBookRequest(title=title), library.clock)


def _enroll(library: Library, name: str) -> str:
    request = EnrollUserRequest(email=f"{name}@example.org", first_name=name, last_name="Reader")
    with library.frontend.at_work() as store:
        return enroll_user(store, request, library.clock).id


def _parked_user(library: Library) -> str:
    """Have a user whom the admin refused, in a version that it would take by now."""
    _enroll(library, "rita")
    luke = _enroll(library, "luke")
    with library.frontend.at_work():  # no client can make such a row; a fault of ours could
        User.update(first_name="Lu\x07ke").where(User.id == luke).execute()
    library.sync()
    assert _parked(library) == {luke}
    with library.frontend.at_work():  # and it is put right by hand, which the push cannot see
        User.update(first_name="Luke").where(User.id == luke).execute()
    return luke


def _state(library: Library) -> SyncState:
    with library.frontend.at_work():
        state: SyncState = SyncState.get()
        return state


def _parked(library: Library) -> set[str]:
    with library.frontend.at_work():
        return {row.id for row in User.select().where(IS_PARKED)}


def _recorded(library: Library) -> set[str]:
    with library.admin.at_work():
        return {row.id for row in RecordedUser.select()}
