"""The kinds of rows that can be exported: their pages, and their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from library.admin.v1 import catalog_service_pb2, status_service_pb2
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.admin.v1.status_service_pb2_grpc import StatusServiceStub
from library.frontend.v1 import lending_service_pb2, member_service_pb2
from library.frontend.v1.lending_service_pb2_grpc import LendingServiceStub
from library.frontend.v1.member_service_pb2_grpc import MemberServiceStub
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan, LoanState
from library.v1.user_pb2 import User, UserState
from library_cli.channel import pages
from library_domain.book_fields import BOOK_FIELDS, INPUT_NAMES, LIST_KINDS, BookField, FieldKind
from library_domain.field_texts import contributor_texts, identifier_texts

PAGE_SIZE = 1_000
"""Rows of a page, at most as many as the services return."""

PAGE_SECONDS = 60.0
"""Deadline of one page."""

COUNT_SECONDS = 2.0
"""Deadline of the count of rows, which is only needed to estimate the time left."""

Value: TypeAlias = str | int | list[str] | None
Row: TypeAlias = dict[str, Value]

USER_COLUMNS = (
    *("id", "email", "first_name", "last_name", "state", "active_loan_count", "create_time", "update_time"),
)
LOAN_COLUMNS = (
    *("id", "book_id", "book_title", "user_id", "days", "borrow_time", "due_time", "return_time", "state"),
    *("renewal_count", "fine", "fine_currency"),
)
NANOS = 1_000_000_000


@dataclass(frozen=True)
class Kind:
    """A kind of rows."""

    name: str
    """In the plural."""
    columns: Sequence[str]
    rows: Callable[[grpc.Channel], Iterator[Row]]
    count_field: str
    """The field of the admin's status with the number of rows."""
    is_private: bool
    """Whether rows are about people."""


def count_of(channel: grpc.Channel, kind: Kind) -> int | None:
    """Return about how many rows there are; None where the admin service does not answer in `COUNT_SECONDS`."""
    try:
        status = StatusServiceStub(channel).GetStatus(status_service_pb2.GetStatusRequest(), timeout=COUNT_SECONDS)
    except grpc.RpcError:
        return None
    count: int = getattr(status, kind.count_field)
    return count or None


def books(channel: grpc.Channel) -> Iterator[Row]:
    """Yield all books of the catalogue, the oldest entry first."""
    request = catalog_service_pb2.ListBooksRequest(page_size=PAGE_SIZE)
    return map(book_row, _rows(CatalogServiceStub(channel).ListBooks, request, "books"))


def users(channel: grpc.Channel) -> Iterator[Row]:
    """Yield all users, also those whose account is closed."""
    request = member_service_pb2.ListUsersRequest(page_size=PAGE_SIZE, include_closed=True)
    return map(user_row, _rows(MemberServiceStub(channel).ListUsers, request, "users"))


def loans(channel: grpc.Channel) -> Iterator[Row]:
    """Yield all loans, open and returned, the oldest first."""
    request = lending_service_pb2.ListLoansRequest(page_size=PAGE_SIZE)
    return map(loan_row, _rows(LendingServiceStub(channel).ListLoans, request, "loans"))


BOOKS = Kind("books", INPUT_NAMES, books, "book_count", is_private=False)
USERS = Kind("users", USER_COLUMNS, users, "user_count", is_private=True)
LOANS = Kind("loans", LOAN_COLUMNS, loans, "loan_count", is_private=True)


def _rows(list_page: Callable[..., Any], request: Any, field: str) -> Iterator[Any]:
    for page in pages(list_page, request, PAGE_SECONDS):
        yield from getattr(page, field)


def book_row(book: Book) -> Row:
    """Return the values of a book; None for a year or a number of pages that is not known."""
    return {field.input_name: _book_value(field, getattr(book, field.name)) for field in BOOK_FIELDS}


def _book_value(field: BookField, value: Any) -> Value:
    if field.kind is FieldKind.IDENTIFIERS:
        return identifier_texts(value)
    if field.kind is FieldKind.CONTRIBUTORS:
        return contributor_texts(value)
    if field.kind in LIST_KINDS:
        return list(value)
    return None if value == 0 and field.name != "total_copies" else value


def user_row(user: User) -> Row:
    """Return the values of a user."""
    row: Row = {name: getattr(user, name) for name in ("id", "email", "first_name", "last_name", "active_loan_count")}
    times: Row = {name: _time(getattr(user, name)) for name in ("create_time", "update_time")}
    return {**row, **times, "state": _state(UserState, user.state)}


def loan_row(loan: Loan) -> Row:
    """Return the values of a loan; None for a missing time or fine."""
    row: Row = {name: getattr(loan, name) for name in ("id", "book_id", "book_title", "user_id", "days")}
    times: Row = {
        name: _time(getattr(loan, name)) if loan.HasField(name) else None
        for name in ("borrow_time", "due_time", "return_time")
    }
    fine = loan.HasField("fine")
    return {
        **row,
        **times,
        "state": _state(LoanState, loan.state),
        "renewal_count": loan.renewal_count,
        "fine": _amount(loan.fine) if fine else None,
        "fine_currency": loan.fine.currency_code if fine else None,
    }


def _time(time: Timestamp) -> str:
    return time.ToJsonString()


def _state(enum: Any, number: int) -> str:
    """Return the name of a state in lower case, without the name of its type; the number of an unknown one."""
    return enum.Name(number).partition("_STATE_")[2].lower() if number in enum.values() else str(number)


def _amount(money: Money) -> str:
    """Write an amount as a decimal number with at least two places."""
    total = money.units * NANOS + money.nanos
    units, nanos = divmod(abs(total), NANOS)
    places = f"{nanos:09}".rstrip("0").ljust(2, "0")
    return f"{'-' if total < 0 else ''}{units}.{places}"
