"""How many loans were made, by month or by a property of the book, the item or the user."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any
from zoneinfo import ZoneInfo

import peewee

from admin_server.reports.periods import of_period
from admin_server.reports.text_rows import text_rows
from admin_server.store.models import Book, Loan, User
from library.admin.v1 import report_service_pb2
from library.admin.v1.report_service_pb2 import ListLoanCountsRequest, LoanCount, LoanGrouping
from library_domain.local_dates import local_date, time_zone_or_none
from service_kit.clock import FIRST_TIME, LAST_TIME, SECOND
from service_kit.paging import page, page_size, position
from service_kit.store import Store
from service_kit.text.keys import text_key

QUARTER = 15 * 60 * SECOND
"""Zones differ from UTC by multiples of a quarter of an hour (since 1972), so a month begins with one."""

# Both engines divide integers towards zero, so a time before 1970 is rounded down by itself.
_QUARTER_NUMBER = peewee.SQL(
    f"CASE WHEN borrow_time < 0 THEN (borrow_time - {QUARTER - 1}) / {QUARTER} ELSE borrow_time / {QUARTER} END"
)

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
    zone_of = cache(_zone)  # an unknown name is searched in files
    query = of_period(Loan.select(Loan.time_zone, _QUARTER_NUMBER, *_totals()), request)
    query = query.where(Loan.borrow_time.between(FIRST_TIME, LAST_TIME))
    return _added(
        (local_date(number * QUARTER, zone_of(name)).isoformat()[:7], count, open_count)
        for name, number, count, open_count in text_rows(query.group_by(Loan.time_zone, _QUARTER_NUMBER))
    )


def _zone(name: str) -> ZoneInfo:
    return time_zone_or_none(name or "UTC") or ZoneInfo("UTC")


def _by(name: Any, of: Callable[[Any], Any], key: Callable[[str], str], request: ListLoanCountsRequest) -> list[Group]:
    """Count by a column. Names with the same key are counted as one."""
    query = of_period(of(Loan.select(name, *_totals())), request).group_by(name)
    return _added(((name or "", count, open_count) for name, count, open_count in text_rows(query)), key)


def _added(groups: Iterable[Group], key: Callable[[str], str] = str) -> list[Group]:
    """Return the groups by name, those whose names have the same key as one, with the name that sorts first."""
    sums: dict[str, Group] = {}
    for group in groups:
        name, count, open_count = sums.get(key(group[0]), (group[0], 0, 0))
        sums[key(group[0])] = min(name, group[0]), count + group[1], open_count + group[2]
    return sorted(sums.values())


def _with_user(query: Any) -> Any:
    return query.join(User, peewee.JOIN.LEFT_OUTER, on=User.id == Loan.user_id)


def _with_book(query: Any) -> Any:
    return query.join(Book, peewee.JOIN.LEFT_OUTER, on=Book.id == Loan.book_id)


def _alone(query: Any) -> Any:
    return query


_COUNTED_BY: dict[LoanGrouping.ValueType, Callable[[ListLoanCountsRequest], list[Group]]] = {
    report_service_pb2.LOAN_GROUPING_MONTH: _by_month,
    report_service_pb2.LOAN_GROUPING_CATEGORY: partial(_by, Book.category, _with_book, text_key),
    report_service_pb2.LOAN_GROUPING_BRANCH: partial(_by, Loan.branch, _alone, str),
    report_service_pb2.LOAN_GROUPING_USER_CATEGORY: partial(_by, User.user_category, _with_user, text_key),
    report_service_pb2.LOAN_GROUPING_USER_GROUP: partial(_by, User.user_group, _with_user, text_key),
    report_service_pb2.LOAN_GROUPING_ITEM_TYPE: partial(_by, Loan.item_type, _alone, text_key),
}
