"""Loans as both stores keep them: the frontend those it made, the admin those it was told of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import peewee
from google.type.money_pb2 import Money

from library.v1 import loan_pb2
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED, LOAN_STATE_UNSPECIFIED
from service_kit.clock import is_time, micros, timestamp
from service_kit.id_prefixes import in_id_range
from service_kit.paging import ListRequest, page, page_size, row_position
from service_kit.statements import tuples
from service_kit.unreadable import read_rows

NANOS = 1_000_000_000


class LoanColumns(peewee.Model):
    """The columns that hold a `library.v1.Loan`. Times are microseconds since 1970."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    book_id = peewee.CharField(36)
    user_id = peewee.CharField(36)
    book_title = peewee.TextField()
    days = peewee.IntegerField()
    borrow_time = peewee.BigIntegerField()
    due_time = peewee.BigIntegerField()
    return_time = peewee.BigIntegerField(null=True)
    renewal_count = peewee.IntegerField(default=0)
    fine_currency = peewee.CharField(3, default="")
    fine_nanos = peewee.BigIntegerField(default=0)


def loan_state(due_time: int, return_time: int | None, now: int) -> loan_pb2.LoanState.ValueType:
    """Where a loan stands at a time."""
    if return_time is not None:
        return LOAN_STATE_RETURNED
    return LOAN_STATE_OVERDUE if due_time < now else LOAN_STATE_ACTIVE


def loan_message(row: LoanColumns, now: int) -> loan_pb2.Loan:
    """Convert a row to the message."""
    loan = loan_pb2.Loan(
        id=row.id,
        book_id=row.book_id,
        user_id=row.user_id,
        book_title=row.book_title,
        days=row.days,
        borrow_time=timestamp(row.borrow_time),
        due_time=timestamp(row.due_time),
        state=loan_state(row.due_time, row.return_time, now),
        renewal_count=row.renewal_count,
    )
    if row.return_time is not None:
        loan.return_time.CopyFrom(timestamp(row.return_time))
    if row.fine_nanos:
        units, nanos = divmod(row.fine_nanos, NANOS)
        loan.fine.CopyFrom(Money(currency_code=row.fine_currency, units=units, nanos=nanos))
    return loan


def loan_columns(loan: loan_pb2.Loan) -> dict[str, object]:
    """Convert a message to the columns."""
    return {
        "id": loan.id,
        "book_id": loan.book_id,
        "user_id": loan.user_id,
        "book_title": loan.book_title,
        "days": loan.days,
        "borrow_time": micros(loan.borrow_time),
        "due_time": micros(loan.due_time),
        "return_time": micros(loan.return_time) if loan.HasField("return_time") else None,
        "renewal_count": loan.renewal_count,
        "fine_currency": loan.fine.currency_code,
        "fine_nanos": loan.fine.units * NANOS + loan.fine.nanos,
    }


def expected_back(model: type[LoanColumns], book_ids: Sequence[str]) -> dict[str, int]:
    """When a copy of each of these books is expected back: the earliest due time of its open loans, by book id."""
    if not book_ids:
        return {}
    query = (
        model.select(model.book_id, peewee.fn.MIN(model.due_time))
        .where(model.book_id.in_(book_ids), model.return_time.is_null())
        .group_by(model.book_id)
    )
    return {book_id: due_time for book_id, due_time in tuples(query) if is_time(due_time)}


class ListLoansRequest(ListRequest, Protocol):
    """What both services' ListLoans ask for."""

    user_id: str
    book_id: str
    state: loan_pb2.LoanState.ValueType
    only_open: bool


LoanModel = TypeVar("LoanModel", bound=LoanColumns)


def list_loans(
    model: type[LoanModel], request: ListLoansRequest, now: int, id_prefix: str = ""
) -> tuple[list[loan_pb2.Loan], str]:
    """Return a page of loans in the order in which the store got them, and the token of the next page.

    With `id_prefix`, the loans whose id begins so, in the order of their ids.
    """
    after = row_position(request)
    if id_prefix:
        query = in_id_range(model.select(), model, id_prefix, after)
    else:
        query = model.select().where(model.key > after).order_by(model.key)
    if request.user_id:
        query = query.where(model.user_id == request.user_id)
    if request.book_id:
        query = query.where(model.book_id == request.book_id)
    if request.only_open:
        query = query.where(model.return_time.is_null())
    if request.state == LOAN_STATE_RETURNED:
        query = query.where(model.return_time.is_null(False))
    elif request.state != LOAN_STATE_UNSPECIFIED:
        overdue = model.due_time < now
        query = query.where(model.return_time.is_null(), overdue if request.state == LOAN_STATE_OVERDUE else ~overdue)
    rows = read_rows(query.limit(page_size(request) + 1), model)
    return page(request, rows, lambda row: loan_message(row, now), lambda row: row.key)
