"""All that is wrong with a request is reported in one answer: every method of both services, through the servicers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

import admin_server.rpc.servicers
import frontend_server.rpc.services
from admin_server.sync.epochs import begin_epoch
from frontend_server.store.models import ensure_frontend_id
from frontend_server.sync.sync import Sync, SyncSettings
from frontend_server.watched_clock import WatchedClock
from library.admin.v1 import catalog_service_pb2 as catalog
from library.admin.v1 import inventory_service_pb2 as inventory
from library.admin.v1 import loan_service_pb2 as loans
from library.admin.v1 import user_service_pb2 as users
from library.frontend.v1 import catalog_service_pb2 as browsing
from library.frontend.v1 import lending_service_pb2 as lending
from library.frontend.v1 import member_service_pb2 as members
from library.sync.v1 import sync_service_pb2 as sync
from library.v1.book_pb2 import (
    BOOK_STATE_REMOVED,
    IDENTIFIER_TYPE_EAN,
    IDENTIFIER_TYPE_OTHER,
    Book,
    Contributor,
    Identifier,
)
from library.v1.item_pb2 import ITEM_STATE_WITHDRAWN, Item
from library.v1.user_pb2 import User
from service_kit.server import Service
from tests.support import access_bad_requests, import_bad_requests
from tests.support.clocks import SettableClock
from tests.support.desk_bad_requests import DESK_CASES
from tests.support.frontend import RULES
from tests.support.policy_bad_requests import POLICY_CASES
from tests.support.report_bad_requests import NOBODY, REPORT_CASES
from tests.support.servicers import ServicerRunner
from tests.support.staff_bad_requests import STAFF_CASES
from tests.support.stores import FreshDatabases, bound_store

ADMIN, FRONTEND, SYNC = "library.admin.v1", "library.frontend.v1", "library.sync.v1.SyncService"

NOTHING_TO_GET_WRONG = {
    *access_bad_requests.NOTHING_TO_GET_WRONG,
    *import_bad_requests.NOTHING_TO_GET_WRONG,
    f"{ADMIN}.PolicyService/GetLibrarySettings",
    f"{ADMIN}.StatusService/GetStatus",
    f"{FRONTEND}.CirculationService/GetLibrarySettings",
    f"{FRONTEND}.SyncService/GetSyncStatus",
    f"{FRONTEND}.SyncService/SyncNow",
    f"{ADMIN}.CatalogService/ImportBooks",  # a stream, whose rows have outcomes: see below
}

BAD_TOKEN: dict[str, Any] = {"page_size": -1, "page_token": "x"}
WRONG_BOOK = catalog.AddBookRequest(
    title="\u200b",
    authors=["", "\x00", "\u3164"],
    isbn="12",
    publisher="p" * 201,
    category="\x00",
    language="l" * 36,
    published_year=9999,
    page_count=-1,
    description="d" * 10_001,
    cover_uri="cover",
    copies=-1,
    request_id="7",
    subtitle="s" * 501,
    edition="\x00",
    series="\u200b",
    volume="v" * 101,
    subjects=["", "Games"],
    identifiers=[
        Identifier(type=IDENTIFIER_TYPE_EAN, value="4006381333932"),
        Identifier(value="1"),
        Identifier(type=IDENTIFIER_TYPE_OTHER, value="\x00"),
    ],
    contributors=[Contributor(name="", role="r" * 101), Contributor(name="\u3164")],
    format="\x1b",
)
WRONG_BOOK_FIELDS = {
    *("subtitle", "edition", "series", "volume", "subjects[0]", "identifiers[0].value", "identifiers[1].type"),
    *("identifiers[2].value", "contributors[0].name", "contributors[0].role", "contributors[1].name", "format"),
    *("title", "authors[0]", "authors[1]", "authors[2]", "isbn", "publisher", "category", "language"),
    *("published_year", "page_count", "description", "cover_uri", "copies", "request_id"),
}
NEW_BOOK = Book(
    id="7",
    title=" ",
    authors=["\u2800"],
    isbn="9780141439588",
    publisher="\x1b",
    category="\u00ad",
    language="l" * 36,
    published_year=-9999,
    page_count=1_000_000,
    description="\x00",
    cover_uri="/",
    total_copies=-3,
    state=BOOK_STATE_REMOVED,
    subjects=["\x00"],
    identifiers=[Identifier(type=IDENTIFIER_TYPE_EAN, value="4006381333932")],
    contributors=[Contributor(name=" ")],
    format="f" * 101,
)
WRONG_ITEM = Item(
    id="7",
    book_id="8",
    barcode="b 1",
    item_type="t" * 41,
    branch="\x00",
    call_number="c" * 101,
    shelf="\u200b",
    state=ITEM_STATE_WITHDRAWN,
    note="n" * 1_001,
    price=Money(units=-1),
    etag="e" * 101,
)
WRONG_ITEM_FIELDS = {
    *("item.id", "item.book_id", "item.barcode", "item.item_type", "item.branch", "item.call_number", "item.shelf"),
    *("item.state", "item.note", "item.price", "item.etag"),
}
EVERYTHING = FieldMask(paths=["*"])
NEW_BOOK_FIELDS = {
    *("book.id", "book.title", "book.authors[0]", "book.isbn", "book.publisher", "book.category", "book.language"),
    *("book.published_year", "book.page_count", "book.description", "book.cover_uri", "book.total_copies"),
    *("book.state", "book.subjects[0]", "book.identifiers[0].value", "book.contributors[0].name", "book.format"),
}

NAMES = ("first_name", "last_name")
FRONTEND_CASES: list[tuple[str, Message, set[str]]] = [
    (
        "MemberService/EnrollUser",
        members.EnrollUserRequest(email="bad", request_id="7"),
        {"email", "first_name", "last_name", "request_id"},
    ),
    ("MemberService/EnrollUser", members.EnrollUserRequest(), {"first_name", "last_name"}),
    (
        "MemberService/EnrollUser",
        members.EnrollUserRequest(
            email="bad",
            card_number="a b",
            user_category="x" * 41,
            group="\x00",
            branch="B",
            expire_time=Timestamp(seconds=-1),
            note="\u3164",
        ),
        {*NAMES, "email", "card_number", "user_category", "group", "branch", "expire_time", "note"},
    ),
    (
        "MemberService/BlockUser",
        members.BlockUserRequest(user_id="7", reason=" ", end_time=Timestamp(nanos=-1), request_id="8"),
        {"user_id", "reason", "end_time", "request_id"},
    ),
    (
        "MemberService/ExportUser",
        members.ExportUserRequest(user_id="7", **BAD_TOKEN),
        {"user_id", "page_size", "page_token"},
    ),
    ("MemberService/EraseUser", members.EraseUserRequest(user_id="7", request_id="8"), {"user_id", "request_id"}),
    (
        "MemberService/AnonymizeLoans",
        members.AnonymizeLoansRequest(page_size=-1, request_id="8"),
        {"before", "page_size", "request_id"},
    ),
    (
        "MemberService/UnblockUser",
        members.UnblockUserRequest(user_id="7", block_id="8", request_id="9"),
        {"user_id", "block_id", "request_id"},
    ),
    ("MemberService/EnrollUser", members.EnrollUserRequest(email="a@b", first_name="\u200b"), {"email", "first_name"}),
    (
        "MemberService/EnrollUser",
        members.EnrollUserRequest(email="x" * 300, first_name="x" * 101, last_name="\x00"),
        {"email", "first_name", "last_name"},
    ),
    ("MemberService/GetUser", members.GetUserRequest(id="7\x00"), {"id"}),
    (
        "MemberService/ListUsers",
        members.ListUsersRequest(query="?!", id_prefix="01", card_number="a b", **BAD_TOKEN),
        {"card_number", "query", "id_prefix", "page_size", "page_token"},
    ),
    (
        "MemberService/UpdateUser",
        members.UpdateUserRequest(
            user=User(id="7", email="bad", first_name=" ", last_name="\u3164"),
            update_mask=FieldMask(paths=["email", "first_name", "last_name", "shoe_size", "state"]),
            request_id="8",
        ),
        {"user.id", "user.email", "user.last_name", "update_mask", "request_id"},
    ),
    (
        "MemberService/UpdateUser",
        members.UpdateUserRequest(user=User(email="bad"), update_mask=EVERYTHING),
        {"user.id", "user.email", "user.first_name", "user.last_name"},
    ),
    (
        "MemberService/UpdateUser",
        members.UpdateUserRequest(update_mask=FieldMask(paths=["x"]), request_id="8"),
        {"user", "update_mask", "request_id"},
    ),
    (
        "MemberService/CloseUser",
        members.CloseUserRequest(id="7", etag="e" * 101, request_id="8"),
        {"id", "etag", "request_id"},
    ),
    (
        "CatalogService/ListBooks",
        browsing.ListBooksRequest(
            publisher=["p" * 201], category=["\x00"], format=["\x00"], query="?", id_prefix="01", **BAD_TOKEN
        ),
        {"publisher[0]", "format[0]", "category[0]", "query", "id_prefix", "page_size", "page_token"},
    ),
    ("CatalogService/ListBooks", browsing.ListBooksRequest(query="-", page_token="x"), {"query", "page_token"}),
    ("CatalogService/GetBook", browsing.GetBookRequest(id="7"), {"id"}),
    ("CatalogService/ListPublishers", browsing.ListPublishersRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    ("CatalogService/ListCategories", browsing.ListCategoriesRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    (
        "LendingService/BorrowBook",
        lending.BorrowBookRequest(book_id="a", user_id="b", days=366, request_id="c"),
        {"book_id", "user_id", "days", "request_id"},
    ),
    ("LendingService/ReturnBook", lending.ReturnBookRequest(loan_id="x", request_id="c"), {"loan_id", "request_id"}),
    ("LendingService/ReturnBook", lending.ReturnBookRequest(book_id="x"), {"book_id", "user_id"}),
    ("LendingService/ReturnBook", lending.ReturnBookRequest(), {"book_id", "user_id"}),
    ("LendingService/ReturnBook", lending.ReturnBookRequest(user_id=NOBODY), {"book_id"}),
    (
        "LendingService/ReturnBook",
        lending.ReturnBookRequest(loan_id=NOBODY, book_id=NOBODY, user_id=NOBODY),
        {"book_id", "user_id"},
    ),
    ("LendingService/RenewLoan", lending.RenewLoanRequest(loan_id="x", days=-1), {"loan_id", "days"}),
    *DESK_CASES,
    ("LendingService/GetLoan", lending.GetLoanRequest(id="x"), {"id"}),
    (
        "LendingService/ListLoans",
        lending.ListLoansRequest(user_id="a", book_id="b", state=9, **BAD_TOKEN),  # type: ignore[arg-type]
        {"user_id", "book_id", "state", *BAD_TOKEN},
    ),
]

ADMIN_CASES: list[tuple[str, Message, set[str]]] = [
    *POLICY_CASES,
    *REPORT_CASES,
    *import_bad_requests.IMPORT_CASES,
    *STAFF_CASES,
    (f"{ADMIN}.CatalogService/AddBook", WRONG_BOOK, WRONG_BOOK_FIELDS),
    (f"{ADMIN}.CatalogService/AddBook", catalog.AddBookRequest(isbn="x"), {"title", "isbn"}),
    (
        f"{ADMIN}.CatalogService/AddBook",
        catalog.AddBookRequest(title="T", authors=["a"] * 1_001, isbn="x", copies=-1),
        {"authors", "isbn", "copies"},
    ),
    (f"{ADMIN}.CatalogService/GetBook", catalog.GetBookRequest(id="7"), {"id"}),
    (
        f"{ADMIN}.CatalogService/ListBooks",
        catalog.ListBooksRequest(publisher=["\x00"], category=["c" * 201], query="!", state=9, **BAD_TOKEN),  # type: ignore[arg-type]
        {"publisher[0]", "category[0]", "query", "state", *BAD_TOKEN},
    ),
    (
        f"{ADMIN}.CatalogService/UpdateBook",
        catalog.UpdateBookRequest(book=NEW_BOOK, update_mask=EVERYTHING),
        NEW_BOOK_FIELDS,
    ),
    (
        f"{ADMIN}.CatalogService/UpdateBook",
        catalog.UpdateBookRequest(
            book=Book(id="7", title="", isbn="1"),
            update_mask=FieldMask(paths=["isbn", "title", "etag", "shelf", "state"]),
        ),
        {"book.id", "book.title", "book.isbn", "book.state", "update_mask"},
    ),
    (
        f"{ADMIN}.CatalogService/UpdateBook",
        catalog.UpdateBookRequest(update_mask=FieldMask(paths=["shelf"])),
        {"book", "update_mask"},
    ),
    (f"{ADMIN}.CatalogService/RemoveBook", catalog.RemoveBookRequest(id="7"), {"id"}),
    (
        f"{ADMIN}.InventoryService/CreateItem",
        inventory.CreateItemRequest(item=WRONG_ITEM, request_id="7"),
        {*WRONG_ITEM_FIELDS, "request_id"},
    ),
    (
        f"{ADMIN}.InventoryService/CreateItem",
        inventory.CreateItemRequest(item=Item(barcode="x" * 41)),
        {"item.book_id", "item.barcode"},
    ),
    (f"{ADMIN}.InventoryService/CreateItem", inventory.CreateItemRequest(), {"item"}),
    (
        f"{ADMIN}.InventoryService/BatchCreateItems",
        inventory.BatchCreateItemsRequest(
            item=WRONG_ITEM, count=-1, barcodes=["", "b 1"], first_barcode="x" * 41, last_barcode="\x00", request_id="7"
        ),
        {*WRONG_ITEM_FIELDS, "count", "barcodes", "barcodes[0]", "first_barcode", "last_barcode", "request_id"},
    ),
    (
        f"{ADMIN}.InventoryService/BatchCreateItems",
        inventory.BatchCreateItemsRequest(item=Item(), barcodes=["b1", "B 2", "B1"]),
        {"item.book_id", "barcodes[1]", "barcodes[2]"},
    ),
    (
        f"{ADMIN}.InventoryService/BatchCreateItems",
        inventory.BatchCreateItemsRequest(item=Item(barcode="B1"), first_barcode="A1", last_barcode="B"),
        {"item.book_id", "item.barcode", "last_barcode"},
    ),
    (
        f"{ADMIN}.InventoryService/BatchCreateItems",
        inventory.BatchCreateItemsRequest(item=Item()),
        {"item.book_id", "count"},
    ),
    (f"{ADMIN}.InventoryService/GetItem", inventory.GetItemRequest(id="7"), {"id"}),
    (f"{ADMIN}.InventoryService/LookupItem", inventory.LookupItemRequest(barcode="b 1"), {"barcode"}),
    (
        f"{ADMIN}.InventoryService/ListItems",
        inventory.ListItemsRequest(
            book_id="7",
            state=9,  # type: ignore[arg-type]
            branch="b" * 41,
            item_type="\x00",
            shelf="s" * 101,
            barcode_prefix="x" * 41,
            created_after=Timestamp(seconds=2**40),
            **BAD_TOKEN,
        ),
        {"book_id", "state", "branch", "item_type", "shelf", "barcode_prefix", "created_after", *BAD_TOKEN},
    ),
    (
        f"{ADMIN}.InventoryService/UpdateItem",
        inventory.UpdateItemRequest(item=WRONG_ITEM, update_mask=EVERYTHING, request_id="7"),
        {*WRONG_ITEM_FIELDS, "request_id"},
    ),
    (
        f"{ADMIN}.InventoryService/UpdateItem",
        inventory.UpdateItemRequest(item=Item(), update_mask=FieldMask(paths=["barcode", "state", "book_id"])),
        {"item.id", "item.barcode", "item.state", "update_mask"},
    ),
    (
        f"{ADMIN}.InventoryService/WithdrawItem",
        inventory.WithdrawItemRequest(id="7", etag="e" * 101, request_id="8"),
        {"id", "etag", "request_id"},
    ),
    (f"{ADMIN}.CatalogService/ListImportRuns", catalog.ListImportRunsRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    (
        f"{ADMIN}.CatalogService/UndoImport",
        catalog.UndoImportRequest(run_id="7", request_id="8", **BAD_TOKEN),
        {"run_id", "request_id", *BAD_TOKEN},
    ),
    (
        f"{ADMIN}.UserService/ListUsers",
        users.ListUsersRequest(query="...", **BAD_TOKEN),
        {"query", *BAD_TOKEN},
    ),
    (f"{ADMIN}.UserService/GetUser", users.GetUserRequest(id="7"), {"id"}),
    (f"{ADMIN}.UserService/ListBorrowers", users.ListBorrowersRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    (
        f"{ADMIN}.LoanService/ListLoans",
        loans.ListLoansRequest(user_id="a", book_id="b", state=-1, **BAD_TOKEN),  # type: ignore[arg-type]
        {"user_id", "book_id", "state", *BAD_TOKEN},
    ),
    (f"{ADMIN}.LoanService/ListUnavailableBooks", loans.ListUnavailableBooksRequest(**BAD_TOKEN), set(BAD_TOKEN)),
    (
        f"{SYNC}/ListCatalogChanges",
        sync.ListCatalogChangesRequest(cursor="x", receipt="y", page_size=-1),
        {"cursor", "receipt", "page_size"},
    ),
    (f"{SYNC}/ListCatalogChanges", sync.ListCatalogChangesRequest(cursor="x", receipt="é"), {"cursor", "receipt"}),
    (
        f"{SYNC}/RecordStates",
        sync.RecordStatesRequest(frontend_id="f", receipt="x"),
        {"frontend_id", "states", "receipt"},
    ),
]


@pytest.fixture
def frontend(databases: FreshDatabases, clock: SettableClock) -> Iterator[list[Service]]:
    with bound_store("frontend", databases.migrated("frontend", "sqlite")) as store:
        ensure_frontend_id(store)
        watched = WatchedClock(store, clock)
        yield frontend_server.rpc.services.services(
            store, RULES, watched, Sync(store, SyncSettings("127.0.0.1:1"), watched)
        )


@pytest.fixture
def admin(databases: FreshDatabases, clock: SettableClock) -> Iterator[list[Service]]:
    with bound_store("admin", databases.migrated("admin", "sqlite")) as store:
        begin_epoch(store, clock)
        yield admin_server.rpc.servicers.services(store, clock)


def test_the_frontend_reports_all_problems_of_a_request(frontend: list[Service]) -> None:
    cases = [(f"{FRONTEND}.{method}", request, fields) for method, request, fields in FRONTEND_CASES]
    reports_all(frontend, [*cases, *access_bad_requests.ACCESS_CASES])


def test_the_admin_reports_all_problems_of_a_request(admin: list[Service]) -> None:
    reports_all(admin, ADMIN_CASES)


def reports_all(services: list[Service], cases: list[tuple[str, Message, set[str]]]) -> None:
    """Try each case, and hold the cases to having one for each method at least."""
    methods = {f"{each.descriptor.full_name}/{method.name}" for each in services for method in each.descriptor.methods}
    assert {method for method, _, _ in cases} == methods - NOTHING_TO_GET_WRONG
    runner = ServicerRunner(services)
    for method, request, fields in cases:
        refusal = runner.refusal(method, request)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"), method
        assert set(refusal.fields) == fields, (method, refusal.fields)
        assert set(refusal.metadata["fields"].split(", ")) == fields


def test_a_field_has_one_problem_where_one_explains_the_other(frontend: list[Service]) -> None:
    refusal = ServicerRunner(frontend).refusal(
        f"{FRONTEND}.MemberService/EnrollUser", members.EnrollUserRequest(email="a")
    )
    assert refusal.message.count("email") == 1, "a short address is not malformed in addition"


def test_a_row_of_an_import_has_all_its_problems(admin: list[Service]) -> None:
    rows = [catalog.ImportBooksRequest(line=1, book=WRONG_BOOK)]
    reply = ServicerRunner(admin).call_with_stream(f"{ADMIN}.CatalogService/ImportBooks", rows)
    [outcome] = reply.outcomes
    reported = [problem.field for problem in outcome.problems]
    assert len(reported) == len(set(reported)) == 10
    one = catalog.AddBookRequest(title="", authors=["\u200b"], isbn="1", page_count=-1, copies=-1, cover_uri="x")
    reply = ServicerRunner(admin).call_with_stream(
        f"{ADMIN}.CatalogService/ImportBooks", [catalog.ImportBooksRequest(line=1, book=one)]
    )
    reported = [problem.field for problem in reply.outcomes[0].problems]
    assert sorted(reported) == ["authors[0]", "copies", "cover_uri", "isbn", "page_count", "title"]
