"""Of several copies of a frontend's store, restored one after the other, the last one is what the admin records."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.store.models import Frontend
from admin_server.store.models import User as RecordedUser
from frontend_server.members.members import update_user
from frontend_server.store.models import MOST_STARTS, SyncState
from frontend_server.store.models import User as OwnUser
from frontend_server.sync.answers import AnswerRefused
from library.frontend.v1.member_service_pb2 import UpdateUserRequest
from library.sync.v1.sync_service_pb2 import RecordStatesRequest
from library.v1.user_pb2 import User
from service_kit.ids import new_id
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Fault, Library, WireError


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    yield library
    library.close()


@pytest.fixture
def users(library: Library) -> list[User]:
    """Two users whom both sides know."""
    users = [library.enroll(name) for name in ("rita", "luke")]
    library.sync()
    return users


@pytest.mark.parametrize("faults", [[], [Fault.REPLY_LOST], [Fault.TWICE] * 3, [Fault.NONE, Fault.REPLY_LOST]])
def test_a_newer_backup_is_restored_after_an_older_one_was_in_use(
    library: Library, users: list[User], faults: list[Fault]
) -> None:
    newer = _two_backups(library, users)
    library.frontend.restore(newer)  # more changes than the admin has recorded: its revisions are not behind
    library.start_frontend()
    library.wire.faults.extend(faults)
    for fault in faults:
        if fault is Fault.REPLY_LOST:
            with pytest.raises(WireError):
                library.push()
            library.start_frontend()
    library.sync()

    assert _recorded(library) == _own(library)
    assert _own(library)[users[0].id] == "new@example.org"


def test_rows_of_the_copy_that_arrive_late_change_nothing(library: Library, users: list[User]) -> None:
    newer = _two_backups(library, users)
    _rename(library, users[1], "late@example.org")
    library.wire.faults.append(Fault.LATE)
    with pytest.raises(WireError):
        library.push()
    library.frontend.restore(newer)
    library.start_frontend()
    library.sync()

    for deliver in library.wire.late:
        deliver()
    library.sync()

    assert _recorded(library) == _own(library)


def test_a_start_after_a_lost_reply_sends_nothing_twice(library: Library, users: list[User]) -> None:
    library.enroll("lost")
    library.wire.faults.append(Fault.REPLY_LOST)
    with pytest.raises(WireError):
        library.push()
    for _ in range(MOST_STARTS + 5):
        library.start_frontend()
    library.wire.faults.append(Fault.REPLY_LOST)
    with pytest.raises(WireError):
        library.push()
    library.start_frontend()
    library.wire.sent.clear()
    library.sync()

    sent = [len(request.states) for request in library.wire.sent if isinstance(request, RecordStatesRequest)]
    assert sent == [1, 2], "the proof; the user whose reply was lost, and the entry of its history"
    with library.frontend.at_work():
        starts = SyncState.get().starts
    with library.admin.at_work():
        assert starts == [Frontend.get().start_id]
    assert _recorded(library) == _own(library)


def test_a_store_without_rows_that_was_restored_sends_all_that_it_gets(library: Library) -> None:
    empty = library.frontend.backup()
    library.enroll("rita")
    library.sync()
    library.frontend.restore(empty)
    library.start_frontend()
    library.push()
    for number in range(4):
        library.enroll(f"late{number}")
    library.sync()

    assert _own(library).items() <= _recorded(library).items()
    assert len(_recorded(library)) == 5


def test_a_damaged_list_of_starts_is_replaced_by_the_next_start(library: Library, users: list[User]) -> None:
    with library.frontend.at_work() as store, store.writing():
        SyncState.update(start_ids="not a start").execute()
    _rename(library, users[0], "new@example.org")
    library.push()
    library.start_frontend()
    library.sync()

    assert _recorded(library) == _own(library)
    with library.admin.at_work():
        start_id = Frontend.get().start_id
    with library.frontend.at_work():
        assert SyncState.get().starts == [start_id]


def test_an_admin_that_returns_foreign_starts_without_an_end_is_refused(library: Library, users: list[User]) -> None:
    record = library.record

    def lying(request: RecordStatesRequest) -> object:
        answer = record(request)
        answer.start_id = new_id()
        return answer

    library.record = lying  # type: ignore[method-assign, assignment]
    _rename(library, users[0], "new@example.org")
    with pytest.raises(AnswerRefused):
        library.push()


def _two_backups(library: Library, users: list[User]) -> str:
    """Change a user, back the store up, and go on with an older backup; return the newer one."""
    older = library.frontend.backup()
    _rename(library, users[0], "new@example.org")
    library.push()
    for number in range(8):
        library.enroll(f"late{number}")
    newer = library.frontend.backup()
    library.frontend.restore(older)
    library.start_frontend()
    _rename(library, users[1], "other@example.org")
    library.push()
    return newer


def _rename(library: Library, user: User, email: str) -> None:
    request = UpdateUserRequest(user=User(id=user.id, email=email), update_mask=FieldMask(paths=["email"]))
    with library.frontend.at_work() as store:
        update_user(store, request, library.clock)


def _own(library: Library) -> dict[str, str]:
    with library.frontend.at_work():
        return {row.id: row.email for row in OwnUser.select()}


def _recorded(library: Library) -> dict[str, str]:
    with library.admin.at_work():
        return {row.id: row.email for row in RecordedUser.select()}
