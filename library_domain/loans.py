"""Loans as both services keep them: the frontend those it made, the admin those that the frontend pushed."""

from __future__ import annotations

from typing import Any, Protocol

from library.v1 import loan_pb2
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED, LOAN_STATE_UNSPECIFIED
from library_domain.default_policy import MAIN_BRANCH
from library_domain.money import money_nanos, set_amount
from service_kit.clock import micros, timestamp


class LoanRow(Protocol):
    """A row with the columns that `loan_columns` names. Times are microseconds since 1970."""

    id: str
    book_id: str
    user_id: str
    book_title: str
    days: int
    borrow_time: int
    due_time: int
    return_time: int | None
    renewal_count: int
    fine_currency: str
    fine_nanos: int
    item_id: str
    barcode: str
    item_type: str
    branch: str
    time_zone: str
    rule_id: str


def loan_state(due_time: int, return_time: int | None, now: int) -> loan_pb2.LoanState.ValueType:
    """Return the state of a loan at a time."""
    if return_time is not None:
        return LOAN_STATE_RETURNED
    return LOAN_STATE_OVERDUE if due_time < now else LOAN_STATE_ACTIVE


def loan_message(row: LoanRow, now: int) -> loan_pb2.Loan:
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
        item_id=row.item_id,
        barcode=row.barcode,
        item_type=row.item_type,
        branch=row.branch,
        time_zone=row.time_zone,
        rule_id=row.rule_id,
    )
    if row.return_time is not None:
        loan.return_time.CopyFrom(timestamp(row.return_time))
    if row.fine_nanos:
        set_amount(loan.fine, row.fine_currency, row.fine_nanos)
        if row.return_time is not None:
            loan.fine_so_far.CopyFrom(loan.fine)
    return loan


def loan_columns(loan: loan_pb2.Loan) -> dict[str, object]:
    """Convert a message to the columns of its row."""
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
        "fine_nanos": money_nanos(loan.fine),
        "item_id": loan.item_id,
        "barcode": loan.barcode,
        "item_type": loan.item_type,
        "branch": loan.branch or MAIN_BRANCH,  # a frontend of an older version has one branch
        "time_zone": loan.time_zone,
        "rule_id": loan.rule_id,
    }


class ListLoansRequest(Protocol):
    """The fields that both services' ListLoansRequest have."""

    user_id: str
    book_id: str
    state: loan_pb2.LoanState.ValueType
    only_open: bool


def loan_conditions(loan: Any, request: ListLoansRequest, now: int) -> list[Any]:
    """Return the conditions that select the loans of a request.

    `loan` is a model with the columns that `loan_columns` names. The states are those of `loan_state`.
    """
    conditions = []
    if request.user_id:
        conditions.append(loan.user_id == request.user_id)
    if request.book_id:
        conditions.append(loan.book_id == request.book_id)
    if request.only_open:
        conditions.append(loan.return_time.is_null())
    if request.state == LOAN_STATE_RETURNED:
        conditions.append(loan.return_time.is_null(False))
    elif request.state != LOAN_STATE_UNSPECIFIED:
        overdue = loan.due_time < now
        conditions += [loan.return_time.is_null(), overdue if request.state == LOAN_STATE_OVERDUE else ~overdue]
    return conditions
