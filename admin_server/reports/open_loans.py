"""Open loans with their users, by due time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from admin_server.reports.users import users_of_rows
from admin_server.store.models import Loan, User
from library.admin.v1.report_service_pb2 import ListOpenLoansRequest, OpenLoan
from library.v1 import user_pb2
from library_domain.loans import loan_message
from library_domain.local_dates import local_date, time_zone_or_none
from service_kit.clock import FIRST_TIME, LAST_TIME, Clock, micros
from service_kit.message_checks import check_values
from service_kit.paging import KEY, page, page_size, position, token_refused
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.text.keys import text_key
from service_kit.unreadable import Damaged, read_rows

_TIME = re.compile("-?[0-9]{1,18}")


class OpenLoanPosition(NamedTuple):
    """The place of a loan in the list."""

    due_time: int
    key: int


def list_open_loans(store: Store, request: ListOpenLoansRequest, clock: Clock) -> tuple[list[OpenLoan], str]:
    """Return a page of open loans, the earliest due time first, and the token of the next page."""
    check_values(request)
    now = clock()
    query = Loan.select(Loan.due_time, Loan.key).where(*_after(request), *_conditions(request, now))
    query = query.order_by(Loan.due_time, Loan.key).limit(page_size(request) + 1)
    with store.reading():
        # The places first: a row that cannot be read has one, too, after which the next page begins.
        places = [OpenLoanPosition(*place) for place in tuples(query)]
        if not places:
            return [], ""
        loans = read_rows(Loan.select().where(Loan.key.in_([place.key for place in places])), Loan)
        users = users_of_rows(row.user_id for row in loans if isinstance(row, Loan))
    rows = {row.key: row for row in loans}
    return page(
        request,
        places,
        lambda place: _open_loan(rows[place.key], users, now),
        lambda place: f"{place.due_time}/{place.key}",
    )


def open_loans_position(request: ListOpenLoansRequest) -> OpenLoanPosition:
    """Return the place of the last loan before the page. Raises `FieldInvalid` for an invalid token."""
    due_time, _, key = (position(request) or f"{FIRST_TIME}/0").partition("/")
    if not _TIME.fullmatch(due_time) or not KEY.fullmatch(key):
        raise token_refused()
    return OpenLoanPosition(int(due_time), int(key))


def _after(request: ListOpenLoansRequest) -> Iterable[Any]:
    """Return the conditions for open loans after the position. A due time that is not a time is left out."""
    due_time, key = open_loans_position(request)
    is_after = (Loan.due_time >= due_time) & ((Loan.due_time > due_time) | (Loan.key > key))
    return [Loan.return_time.is_null(), Loan.due_time <= LAST_TIME, is_after]


def _conditions(request: ListOpenLoansRequest, now: int) -> list[Any]:
    conditions = []
    if request.only_overdue:
        conditions.append(Loan.due_time < now)
    if request.HasField("due_before"):
        conditions.append(Loan.due_time < micros(request.due_before))
    if request.HasField("due_from"):
        conditions.append(Loan.due_time >= micros(request.due_from))
    if request.branch:
        conditions.append(Loan.branch == request.branch)
    for column, value in (
        (User.group_key, request.user_group),
        (User.category_key, request.user_category),
    ):
        if key := text_key(value):
            conditions.append(Loan.user_id.in_(User.select(User.id).where(column == key)))
    return conditions


def _open_loan(row: Loan | Damaged, users: dict[str, user_pb2.User], now: int) -> OpenLoan:
    if isinstance(row, Damaged):
        raise row.error
    user = users.get(row.user_id) or user_pb2.User(id=row.user_id)
    return OpenLoan(loan=loan_message(row, now), user=user, days_overdue=days_overdue(row, now))


def days_overdue(row: Loan, now: int) -> int:
    """Return the local dates after the due date, today included. 0 for a loan that is not overdue."""
    zone = time_zone_or_none(row.time_zone or "UTC") or time_zone_or_none("UTC")
    assert zone is not None
    due_date: date = local_date(row.due_time, zone)
    return max(0, (local_date(now, zone) - due_date).days)
