"""No list reads the whole table for a page, and an idle poll reads no book at all, as the engines' own plans show.

The plans are those of the statements that the use cases really run. `pytest -s` prints them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from admin_server.books import listing
from admin_server.inventory import listing as items_listing
from admin_server.jobs import filling
from admin_server.jobs.importing import known_records
from admin_server.reports import loans as loan_reports
from admin_server.reports import users as user_reports
from admin_server.sources.records import ExternalRecord
from admin_server.store.models import Book, Item, Loan, User
from admin_server.sync import changes
from library.admin.v1.catalog_service_pb2 import (
    ON_DUPLICATE_UPDATE,
    AddBookRequest,
    ImportOptions,
    ListBooksRequest,
)
from library.admin.v1.inventory_service_pb2 import ListItemsRequest
from library.admin.v1.loan_service_pb2 import ListLoansRequest, ListUnavailableBooksRequest
from library.admin.v1.user_service_pb2 import ListBorrowersRequest, ListUsersRequest
from library.sync.v1.sync_service_pb2 import ListCatalogChangesRequest
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.item_pb2 import ITEM_STATE_WITHDRAWN
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED
from library_domain.users import user_words
from service_kit.clock import DAY, timestamp
from service_kit.ids import new_id
from service_kit.store import Store
from service_kit.text.keys import text_key
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.isbns import isbn13
from tests.support.stores import Engine, FreshDatabases, bound_store

ROWS = 4_000
GROWING_TABLES = ('"book"', '"item"', '"loan"', '"user_account"')


@pytest.fixture(scope="module")
def admin(databases: FreshDatabases, engine: Engine) -> Iterator[Admin]:
    """A store with enough rows that reading all of a table would be the worse plan, and with statistics of them."""
    with bound_store("admin", databases.migrated("admin", engine)) as store:
        admin = Admin(store, SettableClock())
        admin.import_rows(
            *(
                AddBookRequest(
                    title=f"Title {number} w{number % 40}",
                    isbn="" if number % 3 else f"978{number:09}",
                    publisher=f"P{number % 200}",
                    category=f"C{number // 20 % 200}",
                    format=f"F{number // 4 % 190}",
                    description="d" * 200,
                )
                for number in range(ROWS)
            )
        )
        book_ids = [row.id for row in Book.select(Book.id)]
        now = admin.clock()
        common: dict[str, Any] = {"revision": 1, "renewal_count": 0, "fine_currency": "", "fine_nanos": 0, "days": 14}
        user_ids = [new_id() for _ in range(ROWS // 2)]
        with store.writing():
            Book.update(state=BOOK_STATE_UNAVAILABLE).where(Book.key.in_(range(1, ROWS, 97))).execute()
            Book.update(state=BOOK_STATE_REMOVED).where(Book.key.in_(range(1, ROWS, 89))).execute()
            Book.update(on_loan=1).where(Book.key.in_(range(1, ROWS, 83))).execute()
            times = {"create_time": now, "update_time": now}
            users = [
                {
                    "id": each,
                    "first_name": "f",
                    "last_name": f"reader{number}",
                    **times,
                    "email": f"r{number}@example.org",
                    "email_key": f"r{number}@example.org",
                    "words": user_words(f"r{number}@example.org", "f", f"reader{number}"),
                }
                for number, each in enumerate(user_ids)
            ]
            rows = [{**user, "state": 1, "revision": 1} for user in users]
            for begin in range(0, len(rows), 500):
                User.insert_many(rows[begin : begin + 500]).execute()
            loans = [
                {
                    **common,
                    "id": new_id(),
                    "book_id": book_ids[number * 7 % len(book_ids)],
                    "user_id": user_ids[number % len(user_ids)],
                    "book_title": "T",
                    "borrow_time": now,
                    "due_time": now + (number % 30 - 15) * DAY,
                    "return_time": None if number % 20 == 0 else now,
                }
                for number in range(ROWS)
            ]
            for begin in range(0, ROWS, 500):
                Loan.insert_many(loans[begin : begin + 500]).execute()
            store.database.execute_sql("UPDATE item SET branch = 'b' || mod(key, 200) WHERE mod(key, 200) <> 9")
            Item.update(state=ITEM_STATE_WITHDRAWN).where(Item.key.in_(range(9, ROWS, 200))).execute()
            for key in range(0, ROWS, 10):
                texts = {"item_type_key": text_key(f"T{key // 10 % 50}"), "shelf_key": text_key(f"S{key // 10 % 50}")}
                Item.update(**texts).where(Item.key == key).execute()
        with store.reading():
            store.database.execute_sql("ANALYZE")
        yield admin


@contextmanager
def statements_of(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are run meanwhile, each with its values, as peewee logs them."""
    run: list[tuple[str, Any]] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            sql, values = cast(tuple[str, Any], record.msg)
            run.append((sql, values))

    log, listener = logging.getLogger("peewee"), Listener()
    log.addHandler(listener)
    level = log.level
    log.setLevel(logging.DEBUG)
    try:
        yield run
    finally:
        log.setLevel(level)
        log.removeHandler(listener)


def plans_of(admin: Admin, use_case: Callable[[], object]) -> list[str]:
    """Run a use case, and return the engine's plan for each statement that it ran on a table that grows."""
    store = admin.store
    with statements_of(store) as run:
        use_case()
    assert run
    explain = "EXPLAIN " if store.is_postgresql else "EXPLAIN QUERY PLAN "
    plans = []
    with store.reading():
        for sql, values in run:
            if not any(table in sql for table in GROWING_TABLES):
                continue
            rows = store.database.execute_sql(explain + sql, values).fetchall()
            plan = "\n".join(f"    {row[-1]}" for row in rows)
            print(f"\n  {sql[:20]} … {sql[sql.index('FROM') :][:300]}\n{plan}")
            plans.append(plan)
    return plans


def assert_no_table_is_read_whole(plans: list[str]) -> None:
    for plan in plans:
        for line in plan.splitlines():
            assert "Seq Scan" not in line, plan
            # SQLite: SEARCH goes to a place in an index, SCAN begins at the beginning, but for the index of words
            # and the few rows that were found before (service_kit.key_filters).
            assert not re.match(r"\s*SCAN (?!CONSTANT ROW|.*VIRTUAL TABLE|(?:picked|range\d+)$)", line), plan


LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "publisher": {"publisher": ["P7"]},
    "category": {"category": ["C7"]},
    "publisher and category": {"publisher": ["P7"], "category": ["C7"]},
    "format": {"format": ["F7"]},
    "formats": {"format": ["F7", "F8", "F9"]},
    "publisher and format": {"publisher": ["P7"], "format": ["F1"]},
    "category and format": {"category": ["C7"], "format": ["F35"]},
    "publisher, category and format": {"publisher": ["P7"], "category": ["C10"], "format": ["F51"]},
    "removed": {"state": BOOK_STATE_REMOVED},
    "unavailable": {"state": BOOK_STATE_UNAVAILABLE},
    "words": {"query": "w7"},
    "words and publisher": {"query": "w7", "publisher": ["P7"]},
    "no such publisher": {"publisher": ["nobody"]},
    "no such word": {"query": "nowhere"},
}


@pytest.mark.parametrize("filters", LISTS.values(), ids=LISTS.keys())
def test_every_list_of_books_goes_by_an_index(admin: Admin, filters: dict[str, Any]) -> None:
    request = ListBooksRequest(page_size=20, **filters)
    first = plans_of(admin, lambda: listing.list_books(admin.store, request))
    assert_no_table_is_read_whole(first)
    request.page_token = listing.list_books(admin.store, request)[1]
    assert_no_table_is_read_whole(plans_of(admin, lambda: listing.list_books(admin.store, request)))


def test_the_index_of_words_is_used(admin: Admin) -> None:
    [plan, *_] = plans_of(admin, lambda: listing.list_books(admin.store, ListBooksRequest(query="w7")))
    assert ("book_words" in plan) if admin.store.is_postgresql else ("VIRTUAL TABLE" in plan)


@pytest.mark.parametrize(
    ("request_", "index"),
    [
        (ListBooksRequest(page_size=5, publisher=["P7"]), "book_by_publisher"),
        (ListBooksRequest(page_size=5, category=["C7"]), "book_by_category"),
        (ListBooksRequest(page_size=5, publisher=["P7"], category=["C10"]), "book_by_publisher_category"),
        (ListBooksRequest(page_size=5, format=["F7"]), "book_by_format"),
        (ListBooksRequest(page_size=5, publisher=["P7"], format=["F1"]), "book_by_publisher_format"),
        (ListBooksRequest(page_size=5, category=["C7"], format=["F35"]), "book_by_category_format"),
        (ListBooksRequest(page_size=5, state=BOOK_STATE_UNAVAILABLE), "book_state_key"),
    ],
)
def test_the_index_of_a_filter_is_used(admin: Admin, request_: ListBooksRequest, index: str) -> None:
    [plan, *_] = plans_of(admin, lambda: listing.list_books(admin.store, request_))
    assert index in plan


def test_an_import_and_its_undoing_go_by_indexes(admin: Admin) -> None:
    options = ImportOptions(run_id=new_id(), on_duplicate=ON_DUPLICATE_UPDATE, match_title=True)
    rows = [AddBookRequest(title=f"Title {number} w{number}", isbn=isbn13(number)) for number in (0, 18, 24, 7)]
    rows[-1].isbn = ""
    plans = plans_of(admin, lambda: admin.import_rows(*rows, options=options, validate_only=True))
    assert_no_table_is_read_whole(plans)
    assert all(any(index in plan for plan in plans) for index in ("book_by_title", "book_isbn"))
    admin.import_rows(AddBookRequest(title="New"), options=options)
    assert_no_table_is_read_whole(plans_of(admin, lambda: admin.undo(options.run_id)))


ITEMS: dict[str, dict[str, Any]] = {
    "all": {},
    "withdrawn": {"state": ITEM_STATE_WITHDRAWN},
    "book": {"book_id": "BOOK"},
    "branch": {"branch": "b7"},
    "type": {"item_type": "T7"},
    "shelf": {"shelf": "S7"},
    "type and shelf": {"item_type": "T7", "shelf": "S7"},
    "barcode": {"barcode_prefix": "300010000017"},
    "barcode and type": {"barcode_prefix": "300010000017", "item_type": "T7"},
    "created after": {"created_after": "NOW"},
    "book, created after": {"book_id": "BOOK", "created_after": "NOW"},
}
ITEM_INDEXES = {
    "withdrawn": "item_by_state",
    "book": "item_book_id_key",
    "branch": "item_branch_key",
    "type": "item_by_type",
    "shelf": "item_by_shelf",
    "barcode": "item_barcode",
    "created after": "item_create_time_key",
}


@pytest.mark.parametrize("name", ITEMS)
def test_every_list_of_items_goes_by_an_index(admin: Admin, name: str) -> None:
    values = {"BOOK": Item.get(Item.key == 70).book_id, "NOW": timestamp(admin.clock() - DAY)}
    filters: dict[str, Any] = {field: values.get(str(value), value) for field, value in ITEMS[name].items()}
    request = ListItemsRequest(page_size=20, **filters)
    first = plans_of(admin, lambda: items_listing.list_items(admin.store, request))
    assert ITEM_INDEXES.get(name, "") in first[0]
    request.page_token = items_listing.list_items(admin.store, request)[1]
    assert_no_table_is_read_whole(first + plans_of(admin, lambda: items_listing.list_items(admin.store, request)))


LOANS: dict[str, dict[str, Any]] = {
    "all": {},
    "user": {"user_id": "USER"},
    "book": {"book_id": "BOOK"},
    "user and book": {"user_id": "USER", "book_id": "BOOK"},
    "active": {"state": LOAN_STATE_ACTIVE},
    "overdue": {"state": LOAN_STATE_OVERDUE},
    "returned": {"state": LOAN_STATE_RETURNED},
    "open": {"only_open": True},
    "open and overdue": {"only_open": True, "state": LOAN_STATE_OVERDUE},
    "open and returned": {"only_open": True, "state": LOAN_STATE_RETURNED},
    "user's open": {"user_id": "USER", "only_open": True},
    "book's open": {"book_id": "BOOK", "only_open": True},
    "user's active": {"user_id": "USER", "state": LOAN_STATE_ACTIVE},
    "book's returned": {"book_id": "BOOK", "state": LOAN_STATE_RETURNED},
}


@pytest.mark.parametrize("filters", LOANS.values(), ids=LOANS.keys())
def test_every_list_of_loans_goes_by_an_index(admin: Admin, filters: dict[str, Any]) -> None:
    some = Loan.select().where(Loan.return_time.is_null()).first()
    assert some is not None
    ids = {"USER": some.user_id, "BOOK": some.book_id}
    request = ListLoansRequest(page_size=20, **{name: ids.get(value, value) for name, value in filters.items()})
    assert_no_table_is_read_whole(plans_of(admin, lambda: loan_reports.list_loans(admin.store, request, admin.clock)))


@pytest.mark.parametrize("page_number", [1, 2])
def test_what_is_out_is_found_without_what_came_back(admin: Admin, page_number: int) -> None:
    request = ListLoansRequest(page_size=20, only_open=True)
    for _ in range(page_number - 1):
        request.page_token = loan_reports.list_loans(admin.store, request, admin.clock)[1]
    [plan] = plans_of(admin, lambda: loan_reports.list_loans(admin.store, request, admin.clock))
    assert re.search(r"\bloan_open\b", plan), plan


def test_the_other_lists_go_by_an_index(admin: Admin) -> None:
    store = admin.store
    users, borrowers = ListUsersRequest(page_size=20), ListBorrowersRequest(page_size=20)
    unavailable = ListUnavailableBooksRequest(page_size=20)
    assert_no_table_is_read_whole(plans_of(admin, lambda: user_reports.list_users(store, users)))
    assert_no_table_is_read_whole(plans_of(admin, lambda: user_reports.list_borrowers(store, borrowers, admin.clock)))
    plans = plans_of(admin, lambda: listing.list_unavailable_books(store, unavailable))
    assert_no_table_is_read_whole(plans)
    assert "book_not_borrowable" in plans[0]


@pytest.mark.parametrize(
    ("query", "index"),
    [("eader77 xample", "VIRTUAL TABLE|user_account_words"), ("r7@example.org", "user_account_address")],
)
@pytest.mark.parametrize("include_closed", [False, True])
def test_users_are_found_by_an_index(admin: Admin, query: str, index: str, include_closed: bool) -> None:
    request = ListUsersRequest(page_size=20, query=query, include_closed=include_closed)
    plans = plans_of(admin, lambda: user_reports.list_users(admin.store, request))
    assert_no_table_is_read_whole(plans)
    assert any(re.search(index, plan) for plan in plans), plans


def test_a_poll_goes_by_the_index_of_revisions(admin: Admin) -> None:
    middle = admin.page_of_changes(page_size=1_000).next_cursor
    request = ListCatalogChangesRequest(cursor=middle, page_size=20)
    plans = plans_of(admin, lambda: changes.list_catalog_changes(admin.store, request))
    assert len(plans) == 3, "the revisions of books and of items, and the rows of the kind that is on the page"
    assert_no_table_is_read_whole(plans)
    for plan in plans:
        assert ("Index Cond: ((revision >" if admin.store.is_postgresql else "(revision>? AND revision<?)") in plan


def test_an_idle_poll_reads_no_book(admin: Admin) -> None:
    middle = admin.page_of_changes(page_size=1_000).next_cursor
    _, end = admin.changes(middle, page_size=1_000)

    def books_read_from(cursor: str) -> int:
        request = ListCatalogChangesRequest(cursor=cursor, page_size=20)
        return books_read_by(admin, lambda: changes.list_catalog_changes(admin.store, request))

    assert books_read_from(middle) == 21  # one more than the page, to know that it is not the last
    assert books_read_from(end) == 0


def books_read_by(admin: Admin, use_case: Callable[[], object]) -> int:
    """How many books and items its statements fetch, by the engine's own count; without entries of indexes alone."""
    store = admin.store
    with statements_of(store) as run:
        use_case()
    of_books = [(sql, values) for sql, values in run if re.search('FROM "(book|item)"', sql)]
    about_books = [(sql, values) for sql, values in of_books if 'SELECT "t1"."revision" FROM' not in sql]
    print(*[sql for sql, _ in run], sep="\n")
    fetched = 0
    with store.reading():
        for sql, values in about_books:
            if store.is_postgresql:
                rows = store.database.execute_sql("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, values).fetchone()
                fetched += rows_of_plan(rows[0][0]["Plan"])
            else:
                fetched += len(store.database.execute_sql(sql, values).fetchall())
    return fetched


def rows_of_plan(plan: dict[str, Any]) -> int:
    own = (
        plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        if plan.get("Relation Name") in ("book", "item")
        else 0
    )
    return int(own) + sum(rows_of_plan(child) for child in plan.get("Plans", []))


def test_the_search_for_gaps_goes_by_an_index(admin: Admin) -> None:
    plans = plans_of(admin, lambda: filling._page_of_gaps(500))
    assert_no_table_is_read_whole(plans)
    assert admin.store.is_postgresql or all("book_with_gaps" in plan for plan in plans)


def test_whether_books_of_a_source_are_known_goes_by_an_index(admin: Admin) -> None:
    records = [
        ExternalRecord("open_library", f"OL{number}M", AddBookRequest(isbn=isbn13(number))) for number in range(1, 4)
    ]
    plans = plans_of(admin, lambda: known_records("open_library", records))
    assert_no_table_is_read_whole(plans)
    assert any("book_removed_isbn" in plan for plan in plans)
