"""A kind of rows that one side does not know yet: the two sides are upgraded in either order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frontend_server.sync.pushed_kinds import PUSHED_KINDS
from frontend_server.sync.status import add_parked_rows
from library.frontend.v1.sync_service_pb2 import SyncStatus
from library.sync.v1.sync_service_pb2 import RecordStatesRequest
from tests.support.stores import Engine, FreshDatabases
from tests.sync import visits
from tests.sync.libraries import Library
from tests.sync.visits import AdminVisit, FrontendVisit, VisitCount

BATCH = 4


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, batch_rows=BATCH, more_tables=visits.TABLES)
    yield library
    library.close()


def test_rows_of_a_kind_wait_for_an_admin_that_knows_it(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    visits.upgrade_frontend(library)
    user = library.enroll("rita").id
    noted = {_visit(library, user) for _ in range(2 * BATCH)}

    library.push()
    status = _parked(library)
    assert {(row.kind, row.id) for row in status.parked_rows} == {("visit", each) for each in noted}
    assert {row.reason.partition(":")[0] for row in status.parked_rows} == {"UNKNOWN_KIND"}
    assert _recorded(library) == set()
    assert caplog.text.count("the admin does not know") == 1, "they may be many"
    assert len(_states_sent(library)) == 1, "one row of the kind asks whether the admin knows it now"

    late = library.enroll("luke").id
    ids = [state.user.id or state.history.user_id for state in _states_sent(library)]
    assert sorted(ids) == ["", late, late], "and it goes along with what is due"
    assert _parked(library).parked_row_count == len(noted)

    visits.upgrade_admin(library)
    library.push()
    assert _recorded(library) == noted
    with library.admin.at_work():
        assert {row.user_id: row.visits for row in VisitCount.select()} == {user: len(noted)}
    assert not _parked(library).parked_row_count
    assert not _states_sent(library)


def test_rows_that_wait_are_sent_also_by_a_version_that_words_their_reason_differently(library: Library) -> None:
    visits.upgrade_frontend(library)
    user = library.enroll("rita").id
    noted = {_visit(library, user) for _ in range(2)}
    library.push()
    with library.frontend.at_work() as store, store.writing():
        FrontendVisit.update(park_reason="UNKNOWN_KIND: in other words").execute()

    visits.upgrade_admin(library)
    library.push()

    assert _recorded(library) == noted


def test_a_frontend_may_be_older_than_the_admin(library: Library) -> None:
    visits.upgrade_admin(library)
    user = library.enroll("rita").id
    library.push()
    assert library.pushed_kinds is PUSHED_KINDS
    assert not _states_sent(library)

    visits.upgrade_frontend(library)
    noted = _visit(library, user)
    library.push()
    assert _recorded(library) == {noted}


def test_a_row_at_which_the_upgraded_admin_fails_does_not_keep_the_others_waiting(library: Library) -> None:
    visits.upgrade_frontend(library)
    user = library.enroll("rita").id
    bad = [_visit(library, user, note) for note in (visits.TORN, visits.UNFIT)]
    noted = {_visit(library, user) for _ in range(BATCH)}
    library.push()
    visits.upgrade_admin(library)

    for _ in bad:
        library.push()

    assert _recorded(library) == noted
    reasons = {row.id: row.reason for row in _parked(library).parked_rows}
    assert reasons == {bad[0]: "INTERNAL: something went wrong on the server", bad[1]: "the note is unfit"}


def _visit(library: Library, user_id: str, note: str = "new") -> str:
    with library.frontend.at_work() as store:
        return visits.visit(store, user_id, note)


def _states_sent(library: Library) -> list[visits.State]:
    """Push, and return what was sent."""
    library.wire.sent.clear()
    library.push()
    sent = [request.states for request in library.wire.sent if isinstance(request, RecordStatesRequest)]
    return [state for states in sent for state in states]


def _parked(library: Library) -> SyncStatus:
    status = SyncStatus()
    with library.frontend.at_work() as store, store.reading():
        add_parked_rows(status, library.pushed_kinds)
        assert status.parked_row_count == FrontendVisit.select().where(FrontendVisit.park_reason != "").count()
    return status


def _recorded(library: Library) -> set[str]:
    with library.admin.at_work():
        return {row.id for row in AdminVisit.select()}
