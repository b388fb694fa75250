"""The audit log on both engines: one entry for each change, with it or not at all; what is refused; erased users."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.protobuf.message import Message

from admin_server.access import audit
from admin_server.rpc.servicers import services
from admin_server.store.models import AuditObject, Book, StaffRole
from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_GUEST, ROLE_LIBRARIAN, ROLE_PATRON
from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest, RemoveBookRequest
from library.admin.v1.staff_service_pb2 import CreateApiTokenRequest, ListAuditEntriesRequest
from library.sync.v1.sync_service_pb2 import State
from library.v1 import audit_pb2, user_pb2
from library.v1.audit_pb2 import AUDIT_RESULT_DONE, AUDIT_RESULT_REFUSED
from library_domain.access.audit import AuditLog
from library_domain.access.guard import AccessGuard
from service_kit.change_record import CHANGE_RECORD, record_change
from service_kit.clock import SECOND, timestamp
from service_kit.ids import new_id
from service_kit.revisions import take_revisions
from service_kit.statements import Statement
from service_kit.store import Store
from tests.support.access import Callers, bearer
from tests.support.admin import Admin
from tests.support.clients import Refusal
from tests.support.clocks import SettableClock
from tests.support.record_results import RECORDED, REFUSED, UNCHANGED, results
from tests.support.servicers import ServicerRunner

CATALOG, STAFF = "library.admin.v1.CatalogService", "library.admin.v1.StaffService"
USER = new_id()


@dataclass(eq=False)
class AuditedAdmin:
    """The services of an admin, with a guard and an audit log."""

    admin: Admin
    callers: Callers = field(default_factory=Callers.made)

    def __post_init__(self) -> None:
        store, clock = self.admin.store, self.admin.clock
        self.log = AuditLog(store, audit.AuditTable(store), clock)
        served = services(store, clock)
        guard = AccessGuard([each.descriptor for each in served], self.callers.accounts, clock, self.log)
        for each in served:
            each.servicer.guard = guard
        self._runner = ServicerRunner(served)

    def call(self, method: str, request: Message, role: Any = ROLE_ADMIN) -> Any:
        return self._runner.call(method, request, bearer(self.token(role)))

    @functools.cache  # noqa: B019 - for the time of a test
    def token(self, role: Any) -> str:
        """Return the token of a session, which is the same in all calls."""
        users = self.callers.users
        return "" if role == ROLE_GUEST else self.callers.issuer.token(users[role], issued=self.admin.clock())

    def import_books(self, *titles: str) -> Any:
        requests = [
            ImportBooksRequest(line=line, book=AddBookRequest(title=title)) for line, title in enumerate(titles, 1)
        ]
        return self._runner.call_any_kind(f"{CATALOG}/ImportBooks", requests, bearer(self.token(ROLE_LIBRARIAN)))

    def entries(self, **filters: Any) -> list[audit_pb2.AuditEntry]:
        return audit.list_audit_entries(self.admin.store, ListAuditEntriesRequest(**filters))[0]


@pytest.fixture
def audited(admin: Admin) -> AuditedAdmin:
    return AuditedAdmin(admin)


def test_a_change_has_one_entry_that_says_who_what_and_when(audited: AuditedAdmin) -> None:
    book = audited.call(f"{CATALOG}/AddBook", AddBookRequest(title="Emma"), ROLE_LIBRARIAN)
    [entry] = audited.entries()
    librarian = audited.callers.users[ROLE_LIBRARIAN]
    assert (entry.method, entry.result, entry.role) == (f"{CATALOG}/AddBook", AUDIT_RESULT_DONE, ROLE_LIBRARIAN)
    assert (entry.caller_user_id, list(entry.objects), entry.reason) == (librarian, [book.id], "")
    assert entry.time == timestamp(audited.admin.clock())
    assert (entry.address, entry.call_count) == ("192.0.2.1", 1)
    assert entry.call_id
    assert entry.credential_id


def test_a_call_that_is_sent_again_has_the_entry_of_the_first_one(audited: AuditedAdmin) -> None:
    request = AddBookRequest(title="Emma", request_id=new_id())
    first, second = (audited.call(f"{CATALOG}/AddBook", request) for _ in range(2))
    assert first == second
    assert len(audited.entries()) == 1


def test_a_call_that_is_sent_again_is_recorded_with_its_change(
    audited: AuditedAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written when the call is done: a server that is killed before that has the entry."""
    monkeypatch.setattr(AuditLog, "done", lambda *_: None)
    audited.call(f"{CATALOG}/AddBook", AddBookRequest(title="Emma", request_id=new_id()))
    assert len(audited.entries()) == 1


def test_the_entry_is_committed_with_the_change_or_not_at_all(
    audited: AuditedAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry cannot be written: the book is not added. The request fails: there is no entry."""

    def fails(*_: object) -> None:
        raise ValueError("the disk of the audit log is full")

    with monkeypatch.context() as patch:
        patch.setattr(audit.AuditTable, "add", fails)
        assert isinstance(audited.call(f"{CATALOG}/AddBook", AddBookRequest(title="Emma")), Refusal)
    assert Book.select().count() == 0
    assert isinstance(audited.call(f"{CATALOG}/RemoveBook", RemoveBookRequest(id=new_id())), Refusal)
    assert audited.entries() == []


def test_each_changing_call_of_another_kind_has_one_entry(audited: AuditedAdmin) -> None:
    with audited.admin.store.writing():
        StaffRole.insert(
            user_id=audited.callers.users[ROLE_ADMIN],
            role=ROLE_ADMIN,
            override_reasons="[]",
            create_time=1,
            update_time=1,
            revision=take_revisions(),
        ).execute()
    audited.call(f"{STAFF}/CreateApiToken", CreateApiTokenRequest(display_name="importer", role=ROLE_LIBRARIAN))
    audited.import_books("Emma", "Persuasion", "Villette")
    assert [entry.method for entry in audited.entries()] == [f"{CATALOG}/ImportBooks", f"{STAFF}/CreateApiToken"]


def test_reads_have_no_entry(audited: AuditedAdmin) -> None:
    audited.call(f"{STAFF}/ListAuditEntries", ListAuditEntriesRequest())
    assert audited.entries() == []


def test_refused_calls_are_listed_with_their_reason(audited: AuditedAdmin) -> None:
    book_id = new_id()
    for role in (ROLE_PATRON, ROLE_PATRON, ROLE_GUEST):
        audited.call(f"{CATALOG}/RemoveBook", RemoveBookRequest(id=book_id), role)
    audited.log.flush(everything=True)
    found = {entry.reason: entry for entry in audited.entries(result=AUDIT_RESULT_REFUSED)}
    assert set(found) == {"ROLE_REQUIRED", "SIGN_IN_REQUIRED"}
    patron = found["ROLE_REQUIRED"]
    assert (patron.caller_user_id, patron.role) == (audited.callers.users[ROLE_PATRON], ROLE_PATRON)
    assert (patron.call_count, list(patron.objects)) == (2, [book_id])
    assert (found["SIGN_IN_REQUIRED"].role, found["SIGN_IN_REQUIRED"].caller_user_id) == (ROLE_GUEST, "")
    assert audited.entries(result=AUDIT_RESULT_DONE) == []


def test_refusals_that_cannot_be_written_are_written_later(
    audited: AuditedAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited.call(f"{CATALOG}/RemoveBook", RemoveBookRequest(id=new_id()), ROLE_GUEST)

    def fails(*_: object) -> None:
        raise ValueError("full")

    with monkeypatch.context() as patch:
        patch.setattr(audit.AuditTable, "add", fails)
        audited.log.flush(everything=True)
    assert audited.entries() == []
    audited.log.flush()
    assert [entry.reason for entry in audited.entries()] == ["SIGN_IN_REQUIRED"]


def test_entries_are_listed_by_caller_and_by_object_in_pages(audited: AuditedAdmin) -> None:
    books = [audited.call(f"{CATALOG}/AddBook", AddBookRequest(title=f"Emma {number}")) for number in range(5)]
    audited.call(f"{CATALOG}/RemoveBook", RemoveBookRequest(id=books[0].id), ROLE_LIBRARIAN)
    admin = audited.callers.users[ROLE_ADMIN]
    request = ListAuditEntriesRequest(caller_user_id=admin.upper(), page_size=2)
    pages = []
    while True:
        page, request.page_token = audit.list_audit_entries(audited.admin.store, request)
        pages.append([entry.objects[0] for entry in page])
        if not request.page_token:
            break
    ids = [book.id for book in books]
    assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
    methods = [entry.method.rpartition("/")[2] for entry in audited.entries(object=ids[0].upper())]
    assert methods == ["RemoveBook", "AddBook"]
    assert len(audited.entries(object=ids[0], caller_user_id=admin)) == 1
    assert audited.entries(object=ids[0], result=AUDIT_RESULT_REFUSED) == []
    assert audited.entries(object="Emma") == []


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"caller_user_id": USER},
        {"object": "x"},
        {"result": 2},
        {"object": "x", "caller_user_id": USER, "result": 2},
    ],
)
def test_a_page_comes_from_an_index_in_its_order(audited: AuditedAdmin, filters: dict[str, Any]) -> None:
    query = audit.entries_query(ListAuditEntriesRequest(**filters)).limit(51)
    plan = Statement(query).plan()
    if not audited.admin.store.is_postgresql:  # which reads small tables without their indexes
        assert "TEMP B-TREE" not in plan
        assert plan.count("SCAN") == int(not filters)


def test_old_entries_are_deleted_with_their_objects(audited: AuditedAdmin, clock: SettableClock) -> None:
    audited.call(f"{CATALOG}/AddBook", AddBookRequest(title="Emma"))
    clock.advance(days=audit.DAYS_KEPT - 1)
    newer = audited.call(f"{CATALOG}/AddBook", AddBookRequest(title="Persuasion"))
    table = audit.AuditTable(audited.admin.store)
    assert table.delete_old(clock()) == 0
    clock.advance(days=2)
    assert table.delete_old(clock()) == 1
    assert [list(entry.objects) for entry in audited.entries()] == [[newer.id]]
    assert [row.object for row in AuditObject.select()] == [newer.id]


# --- entries that the frontend pushes ---


def entry_of(clock: SettableClock, **fields: Any) -> audit_pb2.AuditEntry:
    return audit_pb2.AuditEntry(
        **{"id": new_id(), "time": timestamp(clock()), "result": AUDIT_RESULT_DONE, "method": "a.B/C", **fields}
    )


def test_an_entry_is_recorded_once_and_only_as_the_frontends_own(audited: AuditedAdmin, clock: SettableClock) -> None:
    admin = audited.admin
    entry = entry_of(clock, caller_user_id=USER, address="192.0.2.1", objects=["x", "y"], credential_id=new_id())
    assert results(admin.record(State(revision=3, audit_entry=entry))) == [RECORDED]
    assert results(admin.record(State(revision=3, audit_entry=entry))) == [UNCHANGED]
    assert audited.entries(object="y") == [entry]
    assert AuditObject.select().count() == 2
    assert results(admin.record(State(revision=4, audit_entry=audit_pb2.AuditEntry(id=new_id())))) == [REFUSED]
    audited.call(f"{CATALOG}/AddBook", AddBookRequest(title="Emma"))
    own = audited.entries()[0]
    forged = entry_of(clock, id=own.id)
    assert results(admin.record(State(revision=9, audit_entry=forged))) == [REFUSED]
    assert audited.entries()[0] == own
    pretended = entry_of(clock, method=f"{CATALOG}/AddBook")
    assert results(admin.record(State(revision=9, audit_entry=pretended))) == [REFUSED]


def test_a_newer_version_of_an_entry_is_found_by_its_own_objects(audited: AuditedAdmin, clock: SettableClock) -> None:
    entry = entry_of(clock, caller_user_id=USER, objects=[USER, "x"])
    erased = entry_of(clock, id=entry.id, objects=["x"])
    for revision, version in ((3, entry), (4, erased), (3, entry)):  # the old version comes again, late
        audited.admin.record(State(revision=revision, audit_entry=version))
    assert audited.entries(object=USER) == []
    assert audited.entries(object="x") == [erased]


def test_an_erased_user_is_removed_from_all_entries_of_the_time_before(
    audited: AuditedAdmin, clock: SettableClock
) -> None:
    by_user = entry_of(clock, caller_user_id=USER, address="192.0.2.1", credential_id=new_id(), objects=["b"])
    about_user = entry_of(clock, caller_user_id="", objects=["b", USER])
    clock.advance(seconds=10)
    erasure = entry_of(clock, method="library.frontend.v1.MemberService/EraseUser", objects=[USER])
    states = [State(revision=number, audit_entry=each) for number, each in enumerate([by_user, about_user, erasure], 2)]
    audited.admin.record(*states)
    user = user_pb2.User(
        id=USER,
        state=user_pb2.USER_STATE_CLOSED,
        create_time=timestamp(1),
        update_time=timestamp(clock() - SECOND),
    )
    for _ in range(2):
        audited.admin.record(State(revision=9, user=user))
        assert [entry.id for entry in audited.entries(object=USER)] == [erasure.id]
        assert audited.entries(caller_user_id=USER) == []
        found = {entry.id: entry for entry in audited.entries(object="b")}
        assert list(found[about_user.id].objects) == ["b"]
        assert (found[by_user.id].address, found[by_user.id].credential_id) == ("", "")


# --- the record of a change ---


@dataclass
class Record:
    """A record that counts what it is asked."""

    ends: list[bool] = field(default_factory=list)
    written: int = 0

    def write(self, changed: Message | None) -> None:
        self.written += 1

    def end(self, *, committed: bool) -> None:
        self.ends.append(committed)

    def skip(self) -> None:
        pass


@pytest.fixture
def record() -> Iterator[Record]:
    made = Record()
    token = CHANGE_RECORD.set(made)
    yield made
    CHANGE_RECORD.reset(token)


def test_a_record_learns_how_its_transaction_ends(admin_store: Store, record: Record) -> None:
    with admin_store.writing(), admin_store.writing():
        record_change()
    with pytest.raises(ValueError, match="no"), admin_store.writing():
        raise ValueError("no")
    assert (record.written, record.ends) == (1, [True, False])
