"""The migration that adds the mark finds the newest time in a store that has data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from frontend_server.store.models import MIGRATIONS, bind
from frontend_server.watched_clock import RELEASE_TIME, read_mark
from service_kit.clock import DAY, timestamp
from service_kit.migrations import migrate
from service_kit.store import Store, open_store
from tests.support.frontend import new_book
from tests.support.stores import Engine, FreshDatabases

NOW = RELEASE_TIME + 300 * DAY

NEWEST = {
    "no row": RELEASE_TIME,
    "loan.borrow_time": NOW,
    "loan.return_time": NOW + 20 * DAY,
    "user_account.create_time": NOW,
    "user_account.update_time": NOW + 30 * DAY,
    "book": NOW + 1_500 * DAY,
}


def insert(store: Store, table: str, **values: object) -> None:
    parameters = ", ".join([store.database.param] * len(values))
    sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({parameters})"
    store.database.execute_sql(sql, tuple(values.values()))


PUSHED = {"request_digest": "", "revision": 1, "pushed_revision": 1, "park_reason": ""}


def fill(store: Store, newest: str) -> None:
    """Insert rows as the first release made them, one of them with the newest time."""

    def time(name: str) -> int:
        return NEWEST[name] if name == newest else RELEASE_TIME + DAY

    for number in (1, 2):
        row = f"0000000{number}-0000-7000-8000-000000000000"
        insert(
            store, "loan", id=row, book_id=row, user_id=row, book_title="Emma", days=14,
            borrow_time=time("loan.borrow_time"), due_time=time("loan.borrow_time") + 14 * DAY,
            return_time=time("loan.return_time") if number == 1 else None,
            renewal_count=0, fine_currency="", fine_nanos=0, **PUSHED,
        )  # fmt: skip
        insert(
            store, "user_account", id=row, email=f"ada{number}@example.org", email_key=f"ada{number}@example.org",
            first_name="Ada", last_name="King", state=1, create_time=time("user_account.create_time"),
            update_time=time("user_account.update_time"), active_loan_count=1, **PUSHED,
        )  # fmt: skip
    for number in range(1, 2_101):  # more than are read at a time
        book = new_book(f"Book {number}")
        book.create_time.CopyFrom(timestamp(RELEASE_TIME + DAY))
        book.update_time.CopyFrom(timestamp(time("book") if number == 1_500 else RELEASE_TIME + DAY))
        insert(
            store, "book", id=book.id, message=book.SerializeToString(), title=book.title, publisher="", category="",
            total_copies=1, state=book.state, words=book.title.lower(), revision=number, generation=1, on_loan=0,
        )  # fmt: skip


@pytest.mark.parametrize("newest", NEWEST)
def test_the_mark_begins_at_the_newest_time(
    databases: FreshDatabases, engine: Engine, tmp_path: Path, newest: str
) -> None:
    shutil.copy(MIGRATIONS / "0001_initial.py", tmp_path)
    store = open_store(databases.empty(engine))
    try:
        migrate(store, tmp_path)
        if newest != "no row":
            with store.writing():
                fill(store, newest)
        assert "0005_clock" in migrate(store, MIGRATIONS)
        bind(store)
        assert read_mark(store).newest_time == NEWEST[newest]
        assert migrate(store, MIGRATIONS) == []
    finally:
        store.close()
