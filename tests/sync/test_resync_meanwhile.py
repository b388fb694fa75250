"""A resync that another process of the frontend begins while this one waits for an answer, and rows that are parked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
import pytest

from admin_server.store.models import User as RecordedUser
from frontend_server.store.models import IS_DUE, IS_PARKED, NOTHING_IS_SURE, SyncState, User
from frontend_server.sync.push import push
from frontend_server.sync.resync import begin_resync
from library.sync.v1.sync_service_pb2 import RecordStatesRequest, RecordStatesResponse
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Fault, Library, WireError


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    yield library
    library.close()


# --- answers from before it ---


def test_a_page_of_the_lost_database_is_not_applied_after_the_resync_began(library: Library) -> None:
    """Neither of the two has a cursor yet, so the cursor does not distinguish the page from one of the resync."""
    backup = library.admin.backup()
    library.add_book("A book that is lost")
    library.enroll("rita")
    library.push()  # there is a receipt, by which the loss is noticed

    def another_process_notices_it() -> None:
        _restore_admin(library, backup)
        library.wire.faults.extend([Fault.NONE, Fault.REQUEST_LOST])
        with pytest.raises(WireError):
            library.pull()  # its cursor is refused, and the next call fails

    _meanwhile(library, another_process_notices_it)
    library.pull()

    assert library.replica() == {}
    state = _state(library)
    assert (state.generation, state.cursor, state.resyncing) == (2, "", True)
    library.pull()
    assert not _state(library).resyncing


def test_the_first_answer_of_the_lost_admin_settles_nothing(library: Library) -> None:
    """There was no receipt before, so the receipt does not distinguish it from an answer of the restored admin."""
    backup = library.admin.backup()
    library.add_book("A book that is lost")
    library.pull()
    library.push()  # without users, no call is needed to prove that this store was not restored
    rita = library.enroll("rita").id

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
    library.add_book("A book that is lost")
    library.pull()
    library.enroll("rita")
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
    library.add_book("A book")
    library.enroll("rita")
    library.sync()
    backup = library.admin.backup()
    library.add_book("A book that is lost")
    library.pull()
    luke = library.enroll("luke").id
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
    assert not _parked(library), "the restored admin has not answered yet"

    library.wire.is_cut = False
    library.sync()
    assert luke in _recorded(library)


def test_of_two_processes_that_notice_the_same_loss_one_begins_the_resync(library: Library) -> None:
    library.add_book("A book")
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
    """It may accept the row: perhaps it was restored because it was at fault. The status shows that from then on."""
    backup = library.admin.backup()
    library.add_book("A book that is lost")
    library.pull()
    luke = _parked_user(library)
    _restore_admin(library, backup)

    library.pull()
    assert not _parked(library)
    library.sync()

    assert not _parked(library)
    assert luke in _recorded(library)


def test_rows_for_the_restored_admin_are_pending_as_soon_as_the_loss_is_noticed(
    library: Library,
) -> None:
    """The status must not show both in step in between, while the admin is away again."""
    backup = library.admin.backup()
    library.add_book("A book that is lost")
    users = {library.enroll(name).id for name in ("rita", "luke")}
    library.sync()
    _restore_admin(library, backup)

    library.pull()

    with library.frontend.at_work():
        assert {row.id for row in User.select().where(IS_DUE)} == users


def test_a_parked_row_is_sent_again_by_a_store_that_moves_past_its_old_revisions(library: Library) -> None:
    luke = _parked_user(library)
    backup = library.frontend.backup()
    for number in range(5):
        library.enroll(f"lost{number}")
    library.push()
    library.frontend.restore(backup)
    library.start_frontend()

    library.sync()

    assert not _parked(library)
    assert luke in _recorded(library)


# --- steps ---


def _meanwhile(library: Library, something: Callable[[], object]) -> None:
    """Do something while the next answer, or the one after the queued faults, is on its way."""
    library.wire.meanwhile = something
    library.wire.faults.append(Fault.MEANWHILE)


def _restore_admin(library: Library, backup: str) -> None:
    library.admin.restore(backup)
    library.start_admin()


def _parked_user(library: Library) -> str:
    """Have a user whom the admin refused, in a version that it would take by now."""
    library.enroll("rita")
    luke = library.enroll("luke").id
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
