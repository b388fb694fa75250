"""The table of answers: how long they are kept, and that ids from before it are carried over."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from admin_server.books import catalog
from frontend_server.members import members
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import CloseUserRequest, EnrollUserRequest
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from library.v1.loan_pb2 import LOAN_STATE_RETURNED
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.default_policy import MAIN_BRANCH
from service_kit.cleanups import ROWS
from service_kit.clock import DAY, SECOND
from service_kit.errors import RequestIdReused
from service_kit.idempotency import DAYS_KEPT, SAVE, AnsweredRequest, Cleanup, request_digest
from service_kit.ids import new_id
from service_kit.migrations import migrate
from service_kit.store import Store, StoreTimes, open_store
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend
from tests.support.stores import Engine, FreshDatabases, ServerName, bound_store, migrations_of


def remember(store: Store, *times: int) -> None:
    """Put answers that were given at these times into the table."""
    with store.writing():
        SAVE.many(
            {"request_id": str(uuid4()), "method": "m", "digest": "d", "answer": b"", "create_time": each}
            for each in times
        )


def times_kept(store: Store) -> list[int]:
    with store.reading():
        return sorted(row.create_time for row in AnsweredRequest.select())


# --- how long an answer is kept ---


def test_an_answer_is_kept_for_7_days_and_then_deleted(frontend: LocalFrontend, clock: SettableClock) -> None:
    book, user, request_id = frontend.book(copies=2), frontend.user(), str(uuid4())
    cleanup = Cleanup(frontend.store)
    loan = frontend.borrow(book.id, user.id, 14, request_id)
    clock.advance(days=DAYS_KEPT)
    assert cleanup.run(clock) == 0
    assert frontend.borrow(book.id, user.id, 14, request_id) == loan
    clock.advance(seconds=1)
    assert cleanup.run(clock) == 1
    assert frontend.borrow(book.id, user.id, 14, request_id).id != loan.id


def in_another_process(frontend: LocalFrontend, clock: SettableClock, cleanup_seconds: float) -> LocalFrontend:
    """The same frontend, without what this process remembers of its store."""
    times = StoreTimes(cleanup_seconds=cleanup_seconds)
    return LocalFrontend(Store(frontend.store.database, frontend.store.url, times=times), clock)


def test_answers_outlast_a_clock_that_jumps_ahead(frontend: LocalFrontend, clock: SettableClock) -> None:
    """The process has not run for a fortnight, so a retry of a moment ago must not be done again."""
    frontend = in_another_process(frontend, clock, cleanup_seconds=0.0)
    book, user, request_id = frontend.book(copies=5), frontend.user(), str(uuid4())
    loan = frontend.borrow(book.id, user.id, 14, request_id)
    clock.advance(days=14)
    for _ in range(2):
        frontend.borrow(book.id, user.id, 14, str(uuid4()))
    assert frontend.borrow(book.id, user.id, 14, request_id) == loan


def test_a_cleanup_deletes_some_hundreds_the_oldest_first(frontend: LocalFrontend, clock: SettableClock) -> None:
    limit = clock.now - DAYS_KEPT * DAY
    remember(frontend.store, *(limit - number for number in range(-3, ROWS + 11)))
    cleanup = Cleanup(frontend.store)
    assert cleanup.run(clock) == ROWS
    assert times_kept(frontend.store) == [limit + number for number in range(-10, 4)]
    assert [cleanup.run(clock) for _ in range(2)] == [10, 0]
    assert times_kept(frontend.store) == [limit + number for number in range(4)]


def test_a_call_with_a_request_id_cleans_up_now_and_then(frontend: LocalFrontend, clock: SettableClock) -> None:
    long_ago = clock.now - (DAYS_KEPT + 1) * DAY

    def borrow() -> None:
        frontend.borrow(frontend.book().id, frontend.user().id, 14, str(uuid4()))

    remember(frontend.store, long_ago)
    borrow()
    assert long_ago not in times_kept(frontend.store), "the first call of a process"
    remember(frontend.store, long_ago)
    for _ in range(3):
        borrow()
    assert long_ago in times_kept(frontend.store), "no call cleans up for the next minute"

    other_process = in_another_process(frontend, clock, cleanup_seconds=0.0)
    for _ in range(2):
        other_process.borrow(frontend.book().id, frontend.user().id, 14, str(uuid4()))
        assert long_ago not in times_kept(frontend.store)
        remember(frontend.store, long_ago)


def test_a_call_without_a_request_id_stores_no_answer(frontend: LocalFrontend) -> None:
    frontend.renew(frontend.borrow(frontend.book().id, frontend.user().id).id, 7)
    assert times_kept(frontend.store) == []


def test_a_request_id_of_one_method_is_refused_by_another_whose_arguments_are_the_same(frontend: LocalFrontend) -> None:
    """Both have an id as their first field, so the bytes of the two requests are the same."""
    loan = frontend.borrow(frontend.book().id, frontend.user().id)
    request_id = str(uuid4())
    frontend.bring_back(loan.id, request_id)
    with pytest.raises(RequestIdReused):
        members.close_user(frontend.store, CloseUserRequest(id=loan.id, request_id=request_id), frontend.clock)


def test_cleanups_of_several_processes_wait_for_nobody(frontend: LocalFrontend, clock: SettableClock) -> None:
    """On PostgreSQL; SQLite lets in one writer at a time."""
    if not frontend.store.is_postgresql:
        pytest.skip("SQLite has one writer")
    limit = clock.now - DAYS_KEPT * DAY
    remember(frontend.store, *(limit - number for number in range(1, 2 * ROWS + 1)))
    has_deleted, may_end = threading.Event(), threading.Event()

    def delete_and_hold() -> int:
        with frontend.store.writing():
            deleted = Cleanup(frontend.store).run(clock)
            has_deleted.set()
            assert may_end.wait(60)
            return deleted

    with ThreadPoolExecutor(1) as thread:
        holding = thread.submit(delete_and_hold)
        try:
            assert has_deleted.wait(60)
            with frontend.store.writing():
                frontend.store.database.execute_sql("SET LOCAL lock_timeout = '1ms'")
                assert Cleanup(frontend.store).run(clock) == ROWS, "the other half"
        finally:
            may_end.set()
        assert holding.result() == ROWS
    assert times_kept(frontend.store) == []


def test_an_answer_that_cannot_be_cleaned_up_fails_no_call(
    frontend: LocalFrontend, clock: SettableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The call was done and committed before. Here, an old answer is referred to by another table."""
    database = frontend.store.database
    old = clock.now - (DAYS_KEPT + 1) * DAY
    remember(frontend.store, old)
    with frontend.store.writing():
        database.execute_sql("CREATE TABLE keeper (request_id VARCHAR(36) REFERENCES request (request_id))")
        database.execute_sql("INSERT INTO keeper SELECT request_id FROM request")
    assert frontend.borrow(frontend.book().id, frontend.user().id, 14, str(uuid4())).id
    assert old in times_kept(frontend.store)
    assert "cannot delete expired request ids" in caplog.text


# --- ids from before the table ---


def old_store(databases: FreshDatabases, engine: Engine, server: ServerName, folder: Path) -> str:
    """A store as the program before made it; its URL."""
    shutil.copy(migrations_of(server) / "0001_initial.py", folder)
    url = databases.empty(engine)
    store = open_store(url)
    assert migrate(store, folder) == ["0001_initial"]
    store.close()
    return url


def insert(store: Store, table: str, **values: Any) -> None:
    with store.writing():
        store.database.execute_sql(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join([store.database.param] * len(values))})",
            tuple(values.values()),
        )


def columns(store: Store, table: str) -> set[str]:
    with store.reading():
        return {column.name for column in store.database.get_columns(table)}


@pytest.fixture
def opened(databases: FreshDatabases, engine: Engine, tmp_path: Path) -> Iterator[Any]:
    """Opens stores of before the table of answers, by the server's name."""
    stores: list[Store] = []

    def open_old(server: ServerName) -> Store:
        stores.append(open_store(old_store(databases, engine, server, tmp_path)))
        return stores[-1]

    yield open_old
    for store in stores:
        store.close()


def test_what_a_frontend_was_asked_before_the_upgrade_is_answered_after_it(opened: Any, clock: SettableClock) -> None:
    store: Store = opened("frontend")
    user, book, shared_id = new_id(), new_id(), str(uuid4())
    enroll = EnrollUserRequest(email="Ada@example.org", first_name="Ada", last_name="L", request_id=str(uuid4()))
    enroll_too = EnrollUserRequest(email="bob@example.org", first_name="Bob", last_name="L", request_id=shared_id)
    for number, request in enumerate((enroll, enroll_too)):
        insert(
            store,
            "user_account",
            id=user if request is enroll else new_id(),
            email=request.email,
            email_key=request.email.casefold(),
            first_name=request.first_name,
            last_name=request.last_name,
            state=USER_STATE_ACTIVE,
            create_time=clock.now,
            update_time=clock.now,
            request_id=request.request_id,
            request_digest=request_digest(request),
            revision=number,
            pushed_revision=0,
            park_reason="",
            active_loan_count=1,
        )
    requests = [
        BorrowBookRequest(book_id=book, user_id=user, days=14, request_id=each)
        for each in (shared_id, str(uuid4()), "")
    ]
    ids = [new_id() for _ in requests]
    for number, borrow in enumerate(requests):
        insert(
            store,
            "loan",
            id=ids[number],
            book_id=book,
            user_id=user,
            book_title="Emma",
            days=14 if number else 21,  # the first was renewed since
            borrow_time=clock.now,
            due_time=clock.now + 14 * DAY,
            return_time=clock.now + SECOND if number == 1 else None,
            renewal_count=0,
            fine_currency="EUR" if number == 1 else "",
            fine_nanos=1_200_000_000 if number == 1 else 0,
            request_id=borrow.request_id or None,
            request_digest=request_digest(borrow) if borrow.request_id else "",
            revision=10 + number,
            pushed_revision=0,
            park_reason="",
        )
    assert migrate(store, migrations_of("frontend"))[:1] == ["0002_request_log"]
    assert not {"request_id", "request_digest"} & (columns(store, "loan") | columns(store, "user_account"))
    url = store.url
    store.close()

    with bound_store("frontend", url) as store:
        frontend = LocalFrontend(store, clock)
        assert [frontend.loan(each).id for each in ids] == ids, "nothing was lost"
        first = frontend.borrow(book, user, 14, requests[0].request_id)
        assert (first.id, first.days) == (ids[0], 21)
        second = frontend.borrow(book, user, 14, requests[1].request_id)
        assert (second.id, second.state, second.fine.units) == (ids[1], LOAN_STATE_RETURNED, 1)
        now = frontend.loan(ids[1])
        assert (now.branch, now.fine_so_far) == (MAIN_BRANCH, second.fine)
        for later_field in ("branch", "fine_so_far"):
            now.ClearField(later_field)
        assert second == now, "the answer of that time, byte for byte"
        with pytest.raises(RequestIdReused):
            frontend.borrow(book, user, 15, requests[0].request_id)
        assert frontend.enroll(enroll).id == user
        with pytest.raises(RequestIdReused):  # the loan that has its id comes first: to lend twice does more harm
            frontend.enroll(enroll_too)


def test_what_an_admin_was_asked_before_the_upgrade_is_answered_after_it(opened: Any, clock: SettableClock) -> None:
    store: Store = opened("admin")
    requests = [
        AddBookRequest(title=f"Title {number}", authors=["Jane Austen", "Ångström"], copies=3, request_id=str(uuid4()))
        for number in range(1_200)  # more than the migration takes at a time
    ]
    ids = [new_id() for _ in requests]
    with store.writing():
        for number, request in enumerate(requests):
            insert(
                store,
                "book",
                id=ids[number],
                title=request.title,
                authors='["Jane Austen", "Ångström"]',
                isbn="",
                publisher="",
                category="",
                language="",
                published_year=0,
                page_count=0,
                description="",
                cover_uri="",
                total_copies=3,
                state=BOOK_STATE_ACTIVE,
                create_time=clock.now,
                update_time=clock.now,
                revision=number + 1,
                words=f"title {number}",
                on_loan=1,
                request_id=request.request_id if number % 2 == 0 else None,
                request_digest=request_digest(request) if number % 2 == 0 else "",
            )
        store.database.execute_sql(f"UPDATE counter SET revision = {len(requests)}")
    assert migrate(store, migrations_of("admin"))[:1] == ["0002_request_log"]
    assert not {"request_id", "request_digest"} & columns(store, "book")
    url = store.url
    store.close()

    with bound_store("admin", url) as store:
        admin = Admin(store, clock)
        for number in (0, 2, 600, 1_198):
            answer = catalog.add_book(store, requests[number], clock)
            assert answer.id == ids[number]
            assert answer == admin.get(ids[number])
        assert [book.title for book in admin.books(query="title 1198")] == ["Title 1198"]
        assert len(times_kept(store)) == 600
        assert admin.update(admin.get(ids[0])).title == "Title 0"
