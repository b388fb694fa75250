"""What clients of the admin see: codes, and details in the trailing metadata. On a real store, without a port."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import grpc
import pytest

from admin_server.rpc.servicers import services
from admin_server.sync.epochs import begin_epoch
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_REFUSED,
    AddBookRequest,
    GetBookRequest,
    ImportBooksRequest,
    ListBooksRequest,
    RemoveBookRequest,
    UpdateBookRequest,
)
from library.admin.v1.loan_service_pb2 import ListLoansRequest, ListUnavailableBooksRequest
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.admin.v1.user_service_pb2 import GetUserRequest, ListBorrowersRequest, ListUsersRequest
from library.sync.v1.sync_service_pb2 import (
    ListCatalogChangesRequest,
    RecordStatesRequest,
    State,
)
from library.v1.book_pb2 import Book
from service_kit.store import Store
from tests.support.clients import CREDENTIALS, Refusal
from tests.support.clocks import SettableClock
from tests.support.servicers import ServicerRunner
from tests.support.stores import FreshDatabases, bound_store

CATALOG = "library.admin.v1.CatalogService"
USERS = "library.admin.v1.UserService"
LOANS = "library.admin.v1.LoanService"
STATUS = "library.admin.v1.StatusService"
SYNC = "library.sync.v1.SyncService"

NOBODY = str(uuid.UUID(int=1))


@pytest.fixture
def store(databases: FreshDatabases) -> Iterator[Store]:
    with bound_store("admin", databases.migrated("admin", "sqlite")) as store:
        begin_epoch(store, SettableClock())
        yield store


@pytest.fixture
def admin(store: Store, clock: SettableClock) -> ServicerRunner:
    return ServicerRunner(services(store, clock))


def test_a_book_is_added_and_got(admin: ServicerRunner) -> None:
    added = admin.call(f"{CATALOG}/AddBook", AddBookRequest(title="Emma", copies=2))
    assert isinstance(added, Book)
    assert admin.call(f"{CATALOG}/GetBook", GetBookRequest(id=added.id)) == added


def test_every_method_answers(admin: ServicerRunner) -> None:
    for method, request in [
        (f"{CATALOG}/ListBooks", ListBooksRequest()),
        (f"{USERS}/ListUsers", ListUsersRequest()),
        (f"{USERS}/ListBorrowers", ListBorrowersRequest()),
        (f"{LOANS}/ListLoans", ListLoansRequest()),
        (f"{LOANS}/ListUnavailableBooks", ListUnavailableBooksRequest()),
        (f"{STATUS}/GetStatus", GetStatusRequest()),
        (f"{SYNC}/ListCatalogChanges", ListCatalogChangesRequest()),
        (f"{SYNC}/RecordStates", RecordStatesRequest(frontend_id=CREDENTIALS.frontend_id, states=[State()])),
    ]:
        assert not isinstance(admin.call(method, request), Refusal), method


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        (f"{CATALOG}/AddBook", AddBookRequest(), {"title"}),
        (f"{CATALOG}/AddBook", AddBookRequest(title="\x00", copies=-1), {"title", "copies"}),
        (f"{CATALOG}/AddBook", AddBookRequest(title="T", isbn="9780141439588"), {"isbn"}),
        (f"{CATALOG}/AddBook", AddBookRequest(title="T", isbn="12345"), {"isbn"}),
        (f"{CATALOG}/GetBook", GetBookRequest(id="no-id"), {"id"}),
        (f"{CATALOG}/RemoveBook", RemoveBookRequest(), {"id"}),
        (f"{CATALOG}/UpdateBook", UpdateBookRequest(), {"book"}),
        (f"{CATALOG}/UpdateBook", UpdateBookRequest(book=Book(title="T")), {"book.id"}),
        (f"{CATALOG}/UpdateBook", UpdateBookRequest(book=Book(id="no-id", title="T")), {"book.id"}),
        (f"{CATALOG}/ListBooks", ListBooksRequest(page_size=-1), {"page_size"}),
        (f"{CATALOG}/ListBooks", ListBooksRequest(page_token="x"), {"page_token"}),
        (f"{CATALOG}/ListBooks", ListBooksRequest(query="?!"), {"query"}),
        (f"{USERS}/GetUser", GetUserRequest(id="7"), {"id"}),
        (f"{USERS}/ListUsers", ListUsersRequest(page_size=-1), {"page_size"}),
        (f"{USERS}/ListBorrowers", ListBorrowersRequest(page_token="x"), {"page_token"}),
        (f"{LOANS}/ListLoans", ListLoansRequest(user_id="7", book_id="8"), {"user_id", "book_id"}),
        (f"{LOANS}/ListUnavailableBooks", ListUnavailableBooksRequest(page_size=-1), {"page_size"}),
        (f"{SYNC}/ListCatalogChanges", ListCatalogChangesRequest(cursor="x", page_size=-1), {"page_size", "cursor"}),
        (f"{SYNC}/ListCatalogChanges", ListCatalogChangesRequest(cursor="x"), {"cursor"}),
        (f"{SYNC}/ListCatalogChanges", ListCatalogChangesRequest(receipt="x"), {"receipt"}),
        (f"{SYNC}/RecordStates", RecordStatesRequest(), {"frontend_id", "states"}),
        (f"{SYNC}/RecordStates", RecordStatesRequest(frontend_id="f"), {"frontend_id", "states"}),
    ],
)
def test_a_wrong_field_is_named(admin: ServicerRunner, method: str, request_: AddBookRequest, fields: set[str]) -> None:
    refusal = admin.refusal(method, request_)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert set(refusal.fields) == set(refusal.metadata["fields"].split(", ")) == fields
    assert all(refusal.fields.values())


@pytest.mark.parametrize(
    ("method", "request_", "reason", "resource_type"),
    [
        (f"{CATALOG}/GetBook", GetBookRequest(id=NOBODY), "BOOK_NOT_FOUND", "library.v1.Book"),
        (f"{CATALOG}/RemoveBook", RemoveBookRequest(id=NOBODY), "BOOK_NOT_FOUND", "library.v1.Book"),
        (f"{CATALOG}/UpdateBook", UpdateBookRequest(book=Book(id=NOBODY)), "BOOK_NOT_FOUND", "library.v1.Book"),
        (f"{USERS}/GetUser", GetUserRequest(id=NOBODY), "USER_NOT_FOUND", "library.v1.User"),
    ],
)
def test_an_error_names_what_is_missing(
    admin: ServicerRunner, method: str, request_: GetBookRequest, reason: str, resource_type: str
) -> None:
    refusal = admin.refusal(method, request_)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, reason)
    assert refusal.domain == "lending-library"
    assert refusal.resource == (resource_type, NOBODY)
    assert list(refusal.metadata.values()) == [NOBODY]


def test_a_taken_isbn_is_answered_with_the_book_that_has_it(admin: ServicerRunner) -> None:
    first = admin.call(f"{CATALOG}/AddBook", AddBookRequest(title="Emma", isbn="9780141439587"))
    refusal = admin.refusal(f"{CATALOG}/AddBook", AddBookRequest(title="Emma again", isbn="978-0-14-143958-7"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ISBN_TAKEN")
    assert refusal.metadata == {"book_id": first.id, "isbn": "9780141439587"}


def test_rows_of_an_import_are_answered_each(admin: ServicerRunner) -> None:
    rows = [
        ImportBooksRequest(line=1, book=AddBookRequest(title="Emma")),
        ImportBooksRequest(line=2, book=AddBookRequest(title="", copies=-1)),
    ]
    reply = admin.call_with_stream(f"{CATALOG}/ImportBooks", rows)
    assert [(row.line, row.result) for row in reply.outcomes] == [(1, IMPORT_RESULT_ADDED), (2, IMPORT_RESULT_REFUSED)]
    assert [problem.field for problem in reply.outcomes[1].problems] == ["title", "copies"]


def test_the_client_may_name_its_request(admin: ServicerRunner) -> None:
    refusal = admin.refusal(f"{CATALOG}/GetBook", GetBookRequest(id=NOBODY), [("x-request-id", "mine-1.2_3")])
    assert refusal.request_id == "mine-1.2_3"


@pytest.mark.parametrize("chosen", ["", "x" * 65, "a b", "a\tb", '{"a":1}', "ä"])
def test_a_request_id_that_would_upset_the_log_is_replaced(admin: ServicerRunner, chosen: str) -> None:
    refusal = admin.refusal(f"{CATALOG}/GetBook", GetBookRequest(id=NOBODY), [("x-request-id", chosen)])
    assert re.fullmatch("[0-9a-f]{32}", refusal.request_id)


def test_a_fault_of_ours_returns_nothing_but_the_request_id(
    admin: ServicerRunner, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    added = admin.call(f"{CATALOG}/AddBook", AddBookRequest(title="Emma"))
    store.database.execute_sql("ALTER TABLE book RENAME COLUMN authors TO writers")
    refusal = admin.refusal(f"{CATALOG}/GetBook", GetBookRequest(id=added.id), [("x-request-id", "find-me")])
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert refusal.metadata == {}
    assert refusal.request_id == "find-me"
    assert "authors" not in refusal.message.lower()
    assert any("find-me" in record.getMessage() and record.levelname == "ERROR" for record in caplog.records)
