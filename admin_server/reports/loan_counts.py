"""How many loans were made, by month or by a property of the book, the item or the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import peewee

from admin_server.reports.periods import of_period
from admin_server.store.models import Book, Loan, User
from library.admin.v1 import report_service_pb2
from library.admin.v1.report_service_pb2 import ListLoanCountsRequest, LoanCount, LoanGrouping
from library_domain.local_dates import local_date, time_zone_or_none
from service_kit.clock import SECOND
from service_kit.paging import page, page_size, position
from service_kit.statements import tuples
from service_kit.store import Store

QUARTER = 15 * 60 * SECOND
"""Zones differ from UTC by multiples of a quarter of an hour (since 1972), so a month begins with one."""

Group = tuple[str, int, int]
"""A name, the number of loans, and the number of open ones."""


def list_loan_counts(store: Store, request: ListLoanCountsRequest) -> tuple[list[LoanCount], str]:
    """Return a page of counts in the order of their names, and the token of the next page."""
    with store.reading():
        groups = _COUNTED_BY[request.group_by](request)
    # A place cannot be empty, as the name of what is not known is: so it begins with a mark.
    after = position(request).removeprefix("=") if request.page_token else None
    rows = [group for group in groups if after is None or group[0] > after]
    counts = [LoanCount(name=name, loan_count=count, open_count=open_count) for name, count, open_count in rows]
    return page(request, counts[: page_size(request) + 1], lambda count: count, lambda count: f"={count.name}")


def _totals() -> tuple[Any, Any]:
    is_open = peewee.Case(None, [(Loan.return_time.is_null(), 1)], 0)
    return peewee.fn.COUNT(Loan.key), peewee.fn.SUM(is_open)


def _by_month(request: ListLoanCountsRequest) -> list[Group]:
    """Count by quarters of an hour in the database, and add them up by the month that each zone's clock shows."""
    quarter = peewee.SQL(f"borrow_time / {QUARTER}")  # both engines divide integers as integers
    query = of_period(Loan.select(quarter, Loan.time_zone, *_totals()), request)
    counted = tuples(query.group_by(quarter, Loan.time_zone))
    made: Counter[str] = Counter()
    still_open: Counter[str] = Counter()
    for number, zone, count, open_count in counted:
        month = f"{local_date(number * QUARTER, time_zone_or_none(zone or 'UTC') or ZoneInfo('UTC')):%Y-%m}"
        made[month] += count
        still_open[month] += open_count
    return [(month, made[month], still_open[month]) for month in sorted(made)]


def _by(column: Any, name: Any, of: Callable[[Any], Any], request: ListLoanCountsRequest) -> list[Group]:
    """Count by a column. Names that differ only in case, blanks or form are one, with the first spelling."""
    query = of_period(of(Loan.select(peewee.fn.MIN(name), *_totals())), request).group_by(column)
    return _sorted((name or "", count, open_count) for name, count, open_count in tuples(query))


def _sorted(groups: Iterable[Group]) -> list[Group]:
    """Return the groups by name, those of an equal name as one, such as unknown users and users without a category."""
    made: Counter[str] = Counter()
    still_open: Counter[str] = Counter()
    for name, count, open_count in groups:
        made[name] += count
        still_open[name] += open_count
    return [(name, made[name], still_open[name]) for name in sorted(made)]


def _with_user(query: Any) -> Any:
    return query.join(User, peewee.JOIN.LEFT_OUTER, on=User.id == Loan.user_id)


def _with_book(query: Any) -> Any:
    return query.join(Book, peewee.JOIN.LEFT_OUTER, on=Book.id == Loan.book_id)


def _alone(query: Any) -> Any:
    return query


_COUNTED_BY: dict[LoanGrouping.ValueType, Callable[[ListLoanCountsRequest], list[Group]]] = {
    report_service_pb2.LOAN_GROUPING_MONTH: _by_month,
    report_service_pb2.LOAN_GROUPING_CATEGORY: partial(_by, Book.category_key, Book.category, _with_book),
    report_service_pb2.LOAN_GROUPING_BRANCH: partial(_by, Loan.branch, Loan.branch, _alone),
    report_service_pb2.LOAN_GROUPING_USER_CATEGORY: partial(_by, User.category_key, User.user_category, _with_user),
    report_service_pb2.LOAN_GROUPING_USER_GROUP: partial(_by, User.group_key, User.user_group, _with_user),
    report_service_pb2.LOAN_GROUPING_ITEM_TYPE: partial(_by, Loan.item_type, Loan.item_type, _alone),
}
