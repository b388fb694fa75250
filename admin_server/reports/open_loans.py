"""Open loans with their users, by due time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from admin_server.reports.users import users_of_rows
from admin_server.store.models import Loan, User
from library.admin.v1.report_service_pb2 import ListOpenLoansRequest, OpenLoan
from library.v1 import user_pb2
from library_domain.loans import loan_message
from library_domain.local_dates import local_date, time_zone_or_none
from service_kit.clock import Clock, micros
from service_kit.paging import KEY, page, page_size, position, token_refused
from service_kit.store import Store
from service_kit.text.keys import text_key
from service_kit.unreadable import Damaged, read_rows


def list_open_loans(store: Store, request: ListOpenLoansRequest, clock: Clock) -> tuple[list[OpenLoan], str]:
    """Return a page of open loans, the earliest due time first, and the token of the next page."""
    now = clock()
    query = Loan.select().where(Loan.return_time.is_null(), *_conditions(request, now), *_after(request))
    query = query.order_by(Loan.due_time, Loan.key).limit(page_size(request) + 1)
    with store.reading():
        rows = read_rows(query, Loan)
        users = users_of_rows(row.user_id for row in rows if isinstance(row, Loan))
    return page(request, rows, lambda row: _open_loan(row, users, now), _place)


def open_loans_position(request: ListOpenLoansRequest) -> tuple[int, int]:
    """Return the due time and the key of the last loan before the page. Raises `FieldInvalid` for an invalid token."""
    due_time, _, key = (position(request) or "0/0").partition("/")
    if not KEY.fullmatch(due_time) or not KEY.fullmatch(key):
        raise token_refused()
    return int(due_time), int(key)


def _after(request: ListOpenLoansRequest) -> Iterable[Any]:
    due_time, key = open_loans_position(request)
    return [(Loan.due_time >= due_time) & ((Loan.due_time > due_time) | (Loan.key > key))]


def _place(row: Loan | Damaged) -> str:
    return f"{max(row.due_time, 0)}/{row.key}" if isinstance(row, Loan) else f"0/{row.key}"


def _conditions(request: ListOpenLoansRequest, now: int) -> list[Any]:
    conditions = []
    if request.only_overdue:
        conditions.append(Loan.due_time < now)
    if request.HasField("due_before"):
        conditions.append(Loan.due_time < micros(request.due_before))
    if request.branch:
        conditions.append(Loan.branch == request.branch)
    for column, value in (
        (User.group_key, request.user_group),
        (User.category_key, request.user_category),
    ):
        if value:
            conditions.append(Loan.user_id.in_(User.select(User.id).where(column == text_key(value))))
    return conditions


def _open_loan(row: Loan, users: dict[str, user_pb2.User], now: int) -> OpenLoan:
    user = users.get(row.user_id) or user_pb2.User(id=row.user_id)
    return OpenLoan(loan=loan_message(row, now), user=user, days_overdue=days_overdue(row, now))


def days_overdue(row: Loan, now: int) -> int:
    """Return the local dates after the due date, today included. 0 for a loan that is not overdue."""
    zone = time_zone_or_none(row.time_zone or "UTC") or time_zone_or_none("UTC")
    assert zone is not None
    due_date: date = local_date(row.due_time, zone)
    return max(0, (local_date(now, zone) - due_date).days)
