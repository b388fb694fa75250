"""The audit log of the frontend on both engines: what waits for the push, what is erased, and what is deleted."""

from __future__ import annotations

from typing import Any

import pytest

from frontend_server.access import audit
from frontend_server.members.privacy import erase_user
from frontend_server.store.models import AuditEntry
from frontend_server.sync.pushed_kinds import PUSHED_KINDS, outgoing
from library.frontend.v1.member_service_pb2 import EraseUserRequest
from library.v1 import audit_pb2
from library.v1.audit_pb2 import AUDIT_RESULT_DONE
from library_domain.access.audit_rows import audit_message
from service_kit.clock import timestamp
from service_kit.ids import new_id
from service_kit.outbox import IS_DUE
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend

[KIND] = [kind for kind in PUSHED_KINDS if kind.name == "audit_entry"]


def add(frontend: LocalFrontend, **fields: Any) -> audit_pb2.AuditEntry:
    entry = audit_pb2.AuditEntry(
        **{
            "id": new_id(),
            "time": timestamp(frontend.clock()),
            "result": AUDIT_RESULT_DONE,
            "method": "a.B/C",
            **fields,
        }
    )
    with frontend.store.writing():
        audit.AuditTable(frontend.store).add([entry])
    return entry


def found() -> dict[str, audit_pb2.AuditEntry]:
    return {row.id: audit_message(row) for row in AuditEntry.select()}


def test_what_is_pushed_is_what_was_added(frontend: LocalFrontend) -> None:
    entry = add(
        frontend,
        caller_user_id=new_id(),
        credential_id=new_id(),
        address="2001:db8::1",
        objects=["a", 'quo"ted'],
        reason="R",
        call_id="c",
        call_count=3,
        role=2,
    )
    [row] = AuditEntry.select().where(IS_DUE)
    assert outgoing(KIND, row, frontend.clock()).state.audit_entry == entry


def test_an_erased_user_is_removed_and_the_entries_are_pushed_again(frontend: LocalFrontend) -> None:
    user, other = frontend.user(), frontend.user()
    by_user = add(frontend, caller_user_id=user.id, credential_id=new_id(), address="192.0.2.1", objects=["b"])
    about = add(frontend, caller_user_id=other.id, address="192.0.2.2", objects=["b", user.card_number, user.id])
    not_about = add(frontend, caller_user_id=other.id, address="192.0.2.2", objects=[other.id, other.card_number])
    AuditEntry.update(pushed_revision=AuditEntry.revision).execute()

    erase_user(frontend.store, EraseUserRequest(user_id=user.id), frontend.clock)

    entries = found()
    by = entries[by_user.id]
    assert (by.caller_user_id, by.credential_id, by.address, list(by.objects)) == ("", "", "", ["b"])
    assert (entries[about.id].caller_user_id, list(entries[about.id].objects)) == (other.id, ["b"])
    assert entries[not_about.id] == not_about
    assert {row.id for row in AuditEntry.select().where(IS_DUE)} == {by_user.id, about.id}


@pytest.mark.parametrize("is_pushed", [True, False])
def test_an_entry_is_deleted_some_time_after_the_admin_has_it(
    frontend: LocalFrontend, clock: SettableClock, is_pushed: bool
) -> None:
    add(frontend)
    if is_pushed:
        AuditEntry.update(pushed_revision=AuditEntry.revision).execute()
    table = audit.AuditTable(frontend.store)
    clock.advance(days=audit.DAYS_KEPT - 1)
    assert table.delete_old(clock()) == 0
    clock.advance(days=2)
    assert table.delete_old(clock()) == int(is_pushed)
    assert AuditEntry.select().count() == int(not is_pushed)
