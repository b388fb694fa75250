"""No report reads more of a table than it has to, as the engines' own plans show, and none asks once for each row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from admin_server.reports import book_ranks, history, loan_counts, open_loans
from admin_server.store.models import Book, HistoryEntry, Loan, User
from library.admin.v1.report_service_pb2 import (
    ListHistoryRequest,
    ListLoanCountsRequest,
    ListMostLentBooksRequest,
    ListNeverLentBooksRequest,
    ListOpenLoansRequest,
    LoanGrouping,
)
from service_kit.clock import DAY, timestamp
from service_kit.ids import new_id
from service_kit.text.keys import text_key
from tests.store.test_admin_query_plans import assert_no_table_is_read_whole, plans_of, statements_of
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.stores import Engine, FreshDatabases, bound_store

BOOKS, USERS, LOANS = 1_000, 1_000, 4_000
EVERY = 20
"""One loan in this number is open."""


@pytest.fixture(scope="module")
def admin(databases: FreshDatabases, engine: Engine) -> Iterator[Admin]:
    """A store with enough rows that reading all of a table would be the worse plan, and with statistics of them."""
    with bound_store("admin", databases.migrated("admin", engine)) as store:
        admin = Admin(store, SettableClock())
        now = admin.clock()
        first = admin.add("First")
        template = cast("dict[str, Any]", Book.select().dicts().get())
        book_ids, user_ids = [new_id() for _ in range(BOOKS)], [new_id() for _ in range(USERS)]
        shared = {"create_time": now, "update_time": now}
        books = [
            {**template, "key": number + 100, "id": each, "revision": number + 1_000}
            for number, each in enumerate(book_ids)
        ]
        users = [
            {
                **shared,
                "id": each,
                "email": "",
                "first_name": "f",
                "last_name": "l",
                "revision": 1,
                "user_group": f"G{number % 50}",
                "group_key": text_key(f"G{number % 50}"),
                "user_category": f"C{number % 50}",
                "category_key": text_key(f"C{number % 50}"),
            }
            for number, each in enumerate(user_ids)
        ]
        loans = [
            {
                "id": new_id(),
                "book_id": book_ids[number * 7 % (BOOKS // 2)],
                "user_id": user_ids[number % USERS],
                "book_title": "T",
                "days": 14,
                "revision": 1,
                "borrow_time": now - number * DAY // 10,
                "due_time": now + (number // EVERY % 30 - 15) * DAY,
                "return_time": None if number % EVERY == 0 else now,
                "branch": f"b{number // EVERY % 20}",
            }
            for number in range(LOANS)
        ]
        entries = [
            {
                "id": new_id(),
                "time": now,
                "event": 1,
                "staff": "",
                "detail": "",
                "overridden": "",
                "revision": 1,
                "user_id": loan["user_id"],
                "loan_id": loan["id"],
                "item_id": loan["book_id"],
                "book_id": "",
            }
            for loan in loans
        ]
        with store.writing():
            for model, rows in ((Book, books), (User, users), (Loan, loans), (HistoryEntry, entries)):
                for begin in range(0, len(rows), 500):
                    model.insert_many(rows[begin : begin + 500]).execute()
        with store.reading():
            store.database.execute_sql("ANALYZE")
        assert first.id not in book_ids
        yield admin


NOW = timestamp(SettableClock()())
OPEN_LOANS: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({}, "loan_open_due"),
    "overdue": ({"only_overdue": True}, "loan_open_due"),
    "due before": ({"due_before": timestamp(SettableClock()() - 10 * DAY)}, "loan_open_due"),
    "due from": ({"due_from": timestamp(SettableClock()() + 10 * DAY)}, "loan_open_due"),
    "branch": ({"branch": "b7"}, "loan_open_branch_due"),
    "branch overdue": ({"branch": "b7", "only_overdue": True}, "loan_open_branch_due"),
    "group": ({"user_group": "g10"}, "user_account_by_group"),
    "category": ({"user_category": "c10"}, "user_account_by_category"),
    "group and branch": ({"user_group": "g10", "branch": "b5"}, "loan_open"),
    "unknown group": ({"user_group": "nobody"}, "user_account_by_group"),
}


@pytest.mark.parametrize("page_number", [1, 2])
@pytest.mark.parametrize("name", OPEN_LOANS)
def test_open_loans_are_found_without_the_returned_ones(admin: Admin, name: str, page_number: int) -> None:
    filters, index = OPEN_LOANS[name]
    request = ListOpenLoansRequest(page_size=2, **filters)
    for _ in range(page_number - 1):
        request.page_token = open_loans.list_open_loans(admin.store, request, admin.clock)[1]
    plans = plans_of(admin, lambda: open_loans.list_open_loans(admin.store, request, admin.clock))
    assert re.search(rf"\b{index}\w*", plans[0]), plans[0]
    assert "loan_open" in plans[0], plans[0]
    if index.startswith("loan_open_") and not admin.store.is_postgresql:  # which sorts a few rows of a bitmap
        assert "TEMP B-TREE" not in plans[0], "the index has the order"
    assert_no_table_is_read_whole(plans)


def test_a_page_takes_the_same_statements_for_any_number_of_loans(admin: Admin) -> None:
    def statements(page_size: int) -> int:
        request = ListOpenLoansRequest(page_size=page_size)
        with statements_of(admin.store) as run:
            loans, _ = open_loans.list_open_loans(admin.store, request, admin.clock)
        assert len(loans) == page_size
        return len(run)

    assert statements(200) == statements(1)


def test_the_reports_on_books_go_by_indexes(admin: Admin) -> None:
    store = admin.store
    most = ListMostLentBooksRequest(page_size=20)
    [counted, read] = plans_of(admin, lambda: book_ranks.list_most_lent_books(store, most))
    # All loans are counted, by an index alone: no loan is read.
    assert re.search(r"Index Only Scan|COVERING INDEX|Seq Scan on loan", counted), counted
    assert_no_table_is_read_whole([read])
    if store.is_postgresql:  # SQLite prefers the index that has the groups
        most.start_time.CopyFrom(timestamp(admin.clock() - 2 * DAY))
        assert "loan_borrow_time" in plans_of(admin, lambda: book_ranks.list_most_lent_books(store, most))[0]
    never = ListNeverLentBooksRequest(page_size=20)
    [plan] = plans_of(admin, lambda: book_ranks.list_never_lent_books(store, never))
    assert "loan_book_id_key" in plan, plan


@pytest.mark.parametrize("group_by", [each for each in LoanGrouping.values() if each])
def test_a_count_of_a_period_reads_the_loans_of_the_period(admin: Admin, group_by: LoanGrouping.ValueType) -> None:
    request = ListLoanCountsRequest(group_by=group_by, start_time=timestamp(admin.clock() - 2 * DAY))
    [plan] = plans_of(admin, lambda: loan_counts.list_loan_counts(admin.store, request))
    assert "loan_borrow_time" in plan, plan
    assert not re.search(r"Seq Scan on loan\b|SCAN t1\b", plan), plan


@pytest.mark.parametrize("filter_", ["user_id", "loan_id", "item_id"])
def test_the_history_of_one_subject_is_found_by_an_index(admin: Admin, filter_: str) -> None:
    some = HistoryEntry.select().first()
    assert some is not None
    request = ListHistoryRequest(page_size=2, **{filter_: getattr(some, filter_)})
    with statements_of(admin.store) as run:
        history.list_history(admin.store, request)
    [(sql, values)] = run
    explain = "EXPLAIN " if admin.store.is_postgresql else "EXPLAIN QUERY PLAN "
    with admin.store.reading():
        plan = str(admin.store.database.execute_sql(explain + sql, values).fetchall())
    assert f"history_by_{filter_.removesuffix('_id')}" in plan, plan
    assert not re.search(r"Sort|TEMP B-TREE", plan), plan
