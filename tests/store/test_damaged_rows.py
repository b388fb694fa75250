"""A row that cannot be shown is left out of each list and reported; what asks for just this row gets a typed error."""

from __future__ import annotations

from typing import Any

import peewee
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

import admin_server.rpc.servicers
import admin_server.store.models as admin_models
import frontend_server.rpc.services
import frontend_server.store.models as frontend_models
from frontend_server.sync.push import push
from frontend_server.sync.sync import Sync, SyncSettings
from frontend_server.watched_clock import WatchedClock
from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.admin.v1 import loan_service_pb2 as admin_loans
from library.admin.v1 import report_service_pb2 as admin_reports
from library.admin.v1 import status_service_pb2 as admin_status
from library.admin.v1 import user_service_pb2 as admin_users
from library.frontend.v1 import catalog_service_pb2, lending_service_pb2, member_service_pb2, sync_service_pb2
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_RECORDED,
    ListCatalogChangesRequest,
    RecordOutcome,
    RecordStatesResponse,
)
from library.v1.book_pb2 import Book
from library.v1.user_pb2 import User
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.clients import Refusal
from tests.support.clocks import SettableClock
from tests.support.damage import TEXTS_THAT_CANNOT_BE_DECODED
from tests.support.frontend import RULES, LocalFrontend
from tests.support.servicers import ServicerRunner

pytestmark = [pytest.mark.slow, *TEXTS_THAT_CANNOT_BE_DECODED]


ROWS = 4
BAD = 1
"""Which of the rows is damaged: not the first and not the last."""

BEYOND = 9_223_372_036_854_775_807
NOT_UTF_8 = "CAST(x'ff41fe' AS TEXT)"
SQLITE = ["'abc'", NOT_UTF_8, "x'ff00'", "1e300", str(BEYOND)]
NUMBERS = {"BIGINT": [BEYOND, -BEYOND, 0], "INT": [2**31 - 1, -(2**31)], "SMALLINT": [2**15 - 1, -(2**15)]}
"""On PostgreSQL a column takes what is of its type."""

ADMIN, FRONTEND = "library.admin.v1", "library.frontend.v1"
CODES = {"FAILED_PRECONDITION", "INVALID_ARGUMENT", "ABORTED"}
TOLERATED = {"ROW_UNREADABLE", "BOOK_NOT_FOUND", "USER_NOT_FOUND", "LOAN_NOT_FOUND"}
NOT_FOUND = {"book": "BOOK_NOT_FOUND", "user_account": "USER_NOT_FOUND", "loan": "LOAN_NOT_FOUND"}


def damages(store: Store, field: peewee.Field) -> list[str]:
    if not store.is_postgresql:
        return SQLITE
    kind = {"BIGAUTO": "", "TEXT": "TEXT", "VARCHAR": "TEXT", "BLOB": "BLOB"}.get(field.field_type, field.field_type)
    if kind == "TEXT":
        return ["''", "'no JSON'"]
    return [r"'\xff00'", r"''"] if kind == "BLOB" else [str(number) for number in NUMBERS.get(kind, [])]


REPORT_SERVICE = f"{ADMIN}.ReportService"
REPORTS: list[tuple[str, Message, str]] = [
    (f"{REPORT_SERVICE}/ListOpenLoans", admin_reports.ListOpenLoansRequest(), "open_loans"),
    (f"{REPORT_SERVICE}/ListMostLentBooks", admin_reports.ListMostLentBooksRequest(), "lent_books"),
    (f"{REPORT_SERVICE}/ListNeverLentBooks", admin_reports.ListNeverLentBooksRequest(), "never_lent_books"),
    *(
        (f"{REPORT_SERVICE}/ListLoanCounts", admin_reports.ListLoanCountsRequest(group_by=grouping), "counts")
        for grouping in admin_reports.LoanGrouping.values()
        if grouping
    ),
]
"""The lists of reports, each with a name for its items."""


class Lists:
    """Every list of a service, and what asks for one row; read page by page, and written as JSON."""

    def __init__(self, runner: ServicerRunner, store: Store, lists: list[tuple[str, Message, str]]) -> None:
        self.runner, self.store, self.lists = runner, store, lists
        self.borrowers: set[str] = set()
        """The users whom `ListBorrowers` must show with any column damaged."""
        self.loans: set[str] = set()
        """The open loans that reports must contain with any column damaged."""
        self.lent_books: set[str] = set()
        """Their books."""

    def items(self, method: str, request: Any, field: str, page_size: int) -> list[Any]:
        found: list[Any] = []
        request = type(request).FromString(request.SerializeToString())
        request.page_size = page_size
        for _ in range(20):
            reply = self.runner.call(method, request)
            assert not isinstance(reply, Refusal), (method, reply)
            json_format.MessageToJson(reply)
            found += getattr(reply, "loans" if field == "open_loans" else field.rpartition("_")[2])
            if not reply.next_page_token:
                return found
            request.page_token = reply.next_page_token
        raise AssertionError(f"{method} does not come to its end")

    def check(self, what: str, others: set[str]) -> None:
        for method, request, field in self.lists:
            for page_size in (1, 50):
                items = self.items(method, request, field, page_size)
                if field in ("books", "users", "loans"):
                    assert others <= {item.id for item in items} or not others, (what, method, page_size)
                if field == "open_loans":
                    assert self.loans <= {item.loan.id for item in items}, (what, method, page_size)
                if field == "lent_books":
                    assert self.lent_books <= {item.book.id for item in items}, (what, method, page_size)
                if field == "counts":
                    assert sum(item.loan_count for item in items) >= len(self.loans), (what, request, page_size)
                if field == "borrowers":
                    assert self.borrowers <= {item.user.id for item in items}, (what, method, page_size)

    def status(self, method: str, request: Message) -> Any:
        """Ask for a status, which no damaged row may refuse."""
        reply = self.runner.call(method, request)
        assert not isinstance(reply, Refusal), (method, reply)
        json_format.MessageToJson(reply)
        return reply

    def call(self, method: str, request: Message, field: peewee.Field) -> None:
        reply = self.runner.call(method, request)
        if isinstance(reply, Refusal):
            assert reply.reason in TOLERATED or reply.code.name in CODES, (method, reply)
            is_there = field.column_name != "id"
            assert not (is_there and reply.reason == NOT_FOUND[field.model._meta.table_name]), (method, field, reply)
        else:
            json_format.MessageToJson(reply)


@pytest.fixture
def admin(admin_store: Store, clock: SettableClock) -> tuple[Admin, Lists]:
    admin = Admin(admin_store, clock)
    runner = ServicerRunner(admin_server.rpc.servicers.services(admin_store, clock))
    lists: list[tuple[str, Message, str]] = [
        (f"{ADMIN}.CatalogService/ListBooks", admin_catalog.ListBooksRequest(), "books"),
        (f"{ADMIN}.CatalogService/ListBooks", admin_catalog.ListBooksRequest(query="title"), "books"),
        (f"{ADMIN}.UserService/ListUsers", admin_users.ListUsersRequest(include_closed=True), "users"),
        (f"{ADMIN}.UserService/ListUsers", admin_users.ListUsersRequest(include_closed=True, query="ada"), "users"),
        (f"{ADMIN}.LoanService/ListLoans", admin_loans.ListLoansRequest(), "loans"),
        (f"{ADMIN}.LoanService/ListLoans", admin_loans.ListLoansRequest(only_open=True), "loans"),
        (f"{ADMIN}.UserService/ListBorrowers", admin_users.ListBorrowersRequest(), "borrowers"),
        (f"{ADMIN}.LoanService/ListUnavailableBooks", admin_loans.ListUnavailableBooksRequest(), "books"),
        *REPORTS,
    ]
    return admin, Lists(runner, admin_store, lists)


@pytest.mark.parametrize("model", [admin_models.Book, admin_models.User, admin_models.Loan])
def test_no_damaged_row_ends_a_list_of_the_admin(admin: tuple[Admin, Lists], model: Any) -> None:
    service, lists = admin
    books = [service.add(f"Title {number}", copies=1) for number in range(ROWS)]
    users = [service.user_record(number + 1, first_name="Ada") for number in range(ROWS)]
    service.record(*users)
    rows = [
        service.loan_record(10 + number, book_id=books[number].id, user_id=users[number].user.id)
        for number in range(ROWS)
    ]
    service.record(*rows)
    ids = {
        admin_models.Book: [book.id for book in books],
        admin_models.User: [row.user.id for row in users],
        admin_models.Loan: [row.loan.id for row in rows],
    }[model]
    bad, others = ids[BAD], set(ids) - {ids[BAD]}
    key = model.get(model.id == bad).key
    lists.borrowers = {row.user.id for row in users} - {users[BAD].user.id}
    lists.loans = {row.loan.id for row in rows} - {rows[BAD].loan.id}
    lists.lent_books = {book.id for book in books} - {books[BAD].id}
    lists.check("nothing", set())
    for field in (field for field in model._meta.sorted_fields if field.column_name != "key"):
        for damage in damages(lists.store, field):
            what = f"{model._meta.table_name}.{field.column_name} = {damage}"
            with damaged(lists.store, model, field, key, damage) as is_done:
                if not is_done:
                    continue
                of_all = {"borrowers", *(field for _, _, field in REPORTS)}
                lists.lists = [each for each in lists.lists if each[2] in {listed(model), *of_all}]
                lists.check(what, others)
                for method, request in (
                    (f"{ADMIN}.CatalogService/GetBook", admin_catalog.GetBookRequest(id=bad)),
                    (
                        f"{ADMIN}.CatalogService/UpdateBook",
                        admin_catalog.UpdateBookRequest(book=Book(id=bad, title="T")),
                    ),
                    (f"{ADMIN}.CatalogService/RemoveBook", admin_catalog.RemoveBookRequest(id=bad, withdraw=True)),
                    (f"{ADMIN}.UserService/GetUser", admin_users.GetUserRequest(id=bad)),
                ):
                    lists.call(method, request, field)
                status = lists.status(f"{ADMIN}.StatusService/GetStatus", admin_status.GetStatusRequest())
                assert (status.book_count, status.user_count, status.loan_count) == (ROWS, ROWS, ROWS), what
                changes = lists.runner.call(
                    "library.sync.v1.SyncService/ListCatalogChanges", ListCatalogChangesRequest()
                )
                assert not isinstance(changes, Refusal), (what, changes)
                seen = {change.book.id for change in changes.changes}
                assert seen >= {book.id for book in books} - {bad}, what


def listed(model: Any) -> str:
    return {"book": "books", "user_account": "users", "loan": "loans"}[model._meta.table_name]


class damaged:  # noqa: N801 - reads as a context manager
    """One column of one row damaged, if the engine and its constraints let it be; put back at the end."""

    def __init__(self, store: Store, model: Any, field: peewee.Field, key: int, value: str) -> None:
        self.store, self.model, self.key = store, model, key
        self.sql = f'UPDATE {model._meta.table_name} SET "{field.column_name}" = {value} WHERE key = {key}'

    def __enter__(self) -> bool:
        names = ", ".join(f'"{field.column_name}"' for field in self.model._meta.sorted_fields)
        with self.store.reading():
            [self.before] = self.store.database.execute_sql(
                f"SELECT {names} FROM {self.model._meta.table_name} WHERE key = {self.key}"
            ).fetchall()
        try:
            with self.store.writing():
                self.store.database.execute_sql(self.sql)
        except peewee.DatabaseError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        columns = [f'"{field.column_name}" = {self.store.database.param}' for field in self.model._meta.sorted_fields]
        with self.store.writing():
            self.store.database.execute_sql(
                f"UPDATE {self.model._meta.table_name} SET {', '.join(columns)} WHERE key = {self.key}", self.before
            )


@pytest.fixture
def frontend_and_lists(frontend_store: Store, clock: SettableClock) -> tuple[LocalFrontend, Lists]:
    frontend = LocalFrontend(frontend_store, clock)
    watched = WatchedClock(frontend_store, clock)
    sync = Sync(frontend_store, SyncSettings("127.0.0.1:1"), watched)
    runner = ServicerRunner(frontend_server.rpc.services.services(frontend_store, RULES, watched, sync))
    all_books = catalog_service_pb2.ListBooksRequest(include_unavailable=True)
    lists: list[tuple[str, Message, str]] = [
        (f"{FRONTEND}.CatalogService/ListBooks", all_books, "books"),
        (
            f"{FRONTEND}.CatalogService/ListBooks",
            catalog_service_pb2.ListBooksRequest(include_unavailable=True, query="title"),
            "books",
        ),
        (
            f"{FRONTEND}.CatalogService/ListPublishers",
            catalog_service_pb2.ListPublishersRequest(include_unavailable=True),
            "publishers",
        ),
        (
            f"{FRONTEND}.CatalogService/ListCategories",
            catalog_service_pb2.ListCategoriesRequest(include_unavailable=True),
            "categories",
        ),
        (f"{FRONTEND}.MemberService/ListUsers", member_service_pb2.ListUsersRequest(include_closed=True), "users"),
        (
            f"{FRONTEND}.MemberService/ListUsers",
            member_service_pb2.ListUsersRequest(include_closed=True, query="ada"),
            "users",
        ),
        (f"{FRONTEND}.LendingService/ListLoans", lending_service_pb2.ListLoansRequest(), "loans"),
    ]
    return frontend, Lists(runner, frontend_store, lists)


@pytest.mark.parametrize("model", [frontend_models.Book, frontend_models.User, frontend_models.Loan])
def test_no_damaged_row_ends_a_list_of_the_frontend(
    frontend_and_lists: tuple[LocalFrontend, Lists], model: Any
) -> None:
    frontend, lists = frontend_and_lists
    books = [
        frontend.book(f"Title {number}", copies=99, publisher=f"P{number}", category=f"C{number}")
        for number in range(ROWS)
    ]
    users = [frontend.user() for _ in range(ROWS)]
    rows = [frontend.borrow(book.id, user.id) for book, user in zip(books, users, strict=True)]
    ids = {
        frontend_models.Book: [book.id for book in books],
        frontend_models.User: [user.id for user in users],
        frontend_models.Loan: [loan.id for loan in rows],
    }[model]
    bad, others = ids[BAD], set(ids) - {ids[BAD]}
    key = model.get(model.id == bad).key
    lists.check("nothing", set())
    wanted = (listed(model), *(("publishers", "categories") if model is frontend_models.Book else ()))
    lists.lists = [each for each in lists.lists if each[2] in wanted]
    for field in (field for field in model._meta.sorted_fields if field.column_name != "key"):
        for damage in damages(lists.store, field):
            what = f"{model._meta.table_name}.{field.column_name} = {damage}"
            with damaged(lists.store, model, field, key, damage) as is_done:
                if not is_done:
                    continue
                lists.check(what, others)
                for method, request in (
                    (f"{FRONTEND}.CatalogService/GetBook", catalog_service_pb2.GetBookRequest(id=bad)),
                    (f"{FRONTEND}.MemberService/GetUser", member_service_pb2.GetUserRequest(id=bad)),
                    (
                        f"{FRONTEND}.MemberService/UpdateUser",
                        member_service_pb2.UpdateUserRequest(user=User(id=bad, first_name="Bea")),
                    ),
                    (f"{FRONTEND}.MemberService/CloseUser", member_service_pb2.CloseUserRequest(id=bad)),
                    (f"{FRONTEND}.LendingService/GetLoan", lending_service_pb2.GetLoanRequest(id=bad)),
                    (f"{FRONTEND}.LendingService/RenewLoan", lending_service_pb2.RenewLoanRequest(loan_id=bad, days=1)),
                    (f"{FRONTEND}.LendingService/ReturnBook", lending_service_pb2.ReturnBookRequest(loan_id=bad)),
                ):
                    lists.call(method, request, field)
                status = lists.status(f"{FRONTEND}.SyncService/GetSyncStatus", sync_service_pb2.GetSyncStatusRequest())
                assert status.book_count == ROWS, what
                if model is not frontend_models.Loan:
                    lists.call(
                        f"{FRONTEND}.LendingService/BorrowBook",
                        lending_service_pb2.BorrowBookRequest(book_id=books[BAD].id, user_id=users[BAD].id, days=3),
                        field,
                    )


@pytest.mark.parametrize("model", [frontend_models.User, frontend_models.Loan])
def test_a_damaged_row_does_not_stop_the_push_of_the_others(
    frontend_and_lists: tuple[LocalFrontend, Lists], model: Any
) -> None:
    frontend, lists = frontend_and_lists
    book = frontend.book(copies=ROWS)
    users = [frontend.user() for _ in range(ROWS)]
    loans = [frontend.borrow(book.id, user.id) for user in users]
    ids = [row.id for row in (users if model is frontend_models.User else loans)]
    key = model.get(model.id == ids[BAD]).key
    column = {frontend_models.User: "create_time", frontend_models.Loan: "due_time"}[model]
    with lists.store.writing():
        lists.store.database.execute_sql(
            f"UPDATE {model._meta.table_name} SET {column} = {BEYOND}, revision = 1 WHERE key = {key}"
        )
    sent: list[str] = []

    def record(request: Any) -> Any:
        ids = [row.user.id or row.loan.id or row.history.id for row in request.states]
        sent.extend(ids)
        outcomes = [RecordOutcome(id=each, result=RECORD_RESULT_RECORDED) for each in ids]
        reply = {"outcomes": outcomes, "receipt": "r", "newest_revision": 1}
        return RecordStatesResponse(**reply)  # type: ignore[arg-type]

    push(frontend.store, record, frontend.clock)
    assert set(sent) >= ({user.id for user in users} | {loan.id for loan in loans}) - {ids[BAD]}
    status = lists.runner.call(f"{FRONTEND}.SyncService/GetSyncStatus", sync_service_pb2.GetSyncStatusRequest())
    assert [(row.id, "damaged" in row.reason) for row in status.parked_rows] == [(ids[BAD], True)]
    assert (status.waiting_user_count, status.waiting_loan_count) == (0, 0)
