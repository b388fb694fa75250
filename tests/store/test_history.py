"""The history on both engines: entries are added, listed newest first, pushed, and cut from their user."""

from __future__ import annotations

import pytest

from admin_server.reports import history as reported
from frontend_server.history import entries
from frontend_server.store.models import HistoryEntry
from library.admin.v1 import report_service_pb2
from library.frontend.v1.circulation_service_pb2 import ListHistoryRequest
from library.sync.v1.sync_service_pb2 import State
from library.v1 import history_pb2
from library.v1.history_pb2 import HISTORY_EVENT_CHECK_IN, HISTORY_EVENT_CHECK_OUT
from library_domain.history import history_message, subject_of
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.outbox import IS_DUE
from service_kit.revisions import take_revisions
from tests.support.admin import Admin
from tests.support.frontend import LocalFrontend
from tests.support.record_results import RECORDED, REFUSED, UNCHANGED, results

USER, LOAN, OTHER_LOAN, ITEM, BOOK = (new_id() for _ in range(5))


def add(frontend: LocalFrontend, event: history_pb2.HistoryEvent.ValueType, loan_id: str, **fields: str) -> None:
    with frontend.store.writing():
        ids = {"user_id": USER, "loan_id": loan_id, "item_id": ITEM, "book_id": BOOK}
        overridden = {"LOAN_LIMIT_REACHED": "School project"}
        entries.record(event, frontend.clock(), take_revisions(), overridden=overridden, **ids, **fields)


def listed(frontend: LocalFrontend, **fields: object) -> list[history_pb2.HistoryEntry]:
    request = ListHistoryRequest(page_size=2, **fields)  # type: ignore[arg-type]
    found = []
    while True:
        page, request.page_token = entries.list_history(frontend.store, request)
        found += page
        if not request.page_token:
            return found


def test_entries_are_listed_by_subject_the_newest_first(frontend: LocalFrontend) -> None:
    for number in range(5):
        add(frontend, HISTORY_EVENT_CHECK_OUT, LOAN, detail=str(number), staff="Ada")
    add(frontend, HISTORY_EVENT_CHECK_IN, OTHER_LOAN)

    assert [entry.detail for entry in listed(frontend, loan_id=LOAN)] == ["4", "3", "2", "1", "0"]
    assert len(listed(frontend, user_id=USER)) == len(listed(frontend, item_id=ITEM)) == 6
    assert listed(frontend, loan_id=new_id()) == []
    entry = listed(frontend, loan_id=LOAN)[0]
    assert (entry.event, entry.user_id, entry.item_id, entry.book_id) == (HISTORY_EVENT_CHECK_OUT, USER, ITEM, BOOK)
    assert (entry.staff, entry.overridden[0].refusal) == ("Ada", "LOAN_LIMIT_REACHED")
    assert entry.overridden[0].reason == "School project"


@pytest.mark.parametrize("filters", [{}, {"user_id": USER, "loan_id": LOAN}])
def test_a_list_has_exactly_one_filter(filters: dict[str, str]) -> None:
    with pytest.raises(FieldInvalid) as error:
        subject_of(ListHistoryRequest(**filters))  # type: ignore[arg-type]
    assert len(error.value.problems) == len(filters or ("user_id", "loan_id", "item_id"))


def test_a_loan_whose_user_is_forgotten_keeps_its_entries(frontend: LocalFrontend) -> None:
    add(frontend, HISTORY_EVENT_CHECK_OUT, LOAN, detail="due 2026-01-23")
    add(frontend, HISTORY_EVENT_CHECK_OUT, OTHER_LOAN)
    with frontend.store.writing():
        HistoryEntry.update(pushed_revision=HistoryEntry.revision).execute()
        entries.forget_user_of_loans([LOAN])

    [entry] = listed(frontend, loan_id=LOAN)
    assert (entry.user_id, entry.detail, list(entry.overridden)) == ("", "due 2026-01-23", [])
    assert [entry.loan_id for entry in listed(frontend, user_id=USER)] == [OTHER_LOAN]
    assert [row.loan_id for row in HistoryEntry.select().where(IS_DUE)] == [LOAN]
    with frontend.store.writing():
        entries.forget_user(USER)
    assert listed(frontend, user_id=USER) == []


def test_an_entry_is_recorded_by_the_admin(admin: Admin) -> None:
    entry = history_pb2.HistoryEntry(id=new_id(), event=HISTORY_EVENT_CHECK_OUT, user_id=USER, loan_id=LOAN)
    entry.time.FromSeconds(1_700_000_000)
    entry.overridden.add(refusal="USER_BLOCKED", reason="Paid in cash")
    assert results(admin.record(State(revision=3, history=entry))) == [RECORDED]
    forgotten = history_pb2.HistoryEntry()
    forgotten.CopyFrom(entry)
    forgotten.user_id = ""
    assert results(admin.record(State(revision=4, history=forgotten))) == [RECORDED]
    assert results(admin.record(State(revision=3, history=entry))) == [UNCHANGED]
    assert results(admin.record(State(revision=5, history=history_pb2.HistoryEntry(id=new_id())))) == [REFUSED]

    found, token = reported.list_history(admin.store, report_service_pb2.ListHistoryRequest(loan_id=LOAN))
    assert (found, token) == ([forgotten], "")


def test_what_is_stored_is_what_is_pushed(frontend: LocalFrontend) -> None:
    add(frontend, HISTORY_EVENT_CHECK_OUT, LOAN)
    [row] = HistoryEntry.select()
    assert listed(frontend, loan_id=LOAN) == [history_message(row)]
