"""A store that is away, full or busy: UNAVAILABLE and never INTERNAL, nothing half done, and then it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import grpc
import peewee
import pytest
from playhouse.cysqlite_ext import CySqliteDatabase

from admin_server.books import catalog
from admin_server.rpc.servicers import services
from admin_server.sync.epochs import begin_epoch
from library.admin.v1.catalog_service_pb2 import AddBookRequest, GetBookRequest, ListBooksRequest
from library.v1.book_pb2 import Book
from service_kit.revisions import head_revision, take_revisions
from service_kit.store import Store, StoreTimes, is_unavailable
from tests.support.admin import Admin
from tests.support.clients import Refusal
from tests.support.clocks import SettableClock
from tests.support.postgresql import PostgresqlServer
from tests.support.servicers import ServicerRunner
from tests.support.stores import FreshDatabases, bound_store

ADD = "library.admin.v1.CatalogService/AddBook"
GET = "library.admin.v1.CatalogService/GetBook"
LIST = "library.admin.v1.CatalogService/ListBooks"


def runner(store: Store) -> ServicerRunner:
    begin_epoch(store, SettableClock())
    return ServicerRunner(services(store, SettableClock()))


def assert_store_unavailable(refusal: Refusal) -> None:
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert refusal.metadata == {}


# --- PostgreSQL ---


@pytest.fixture
def on_postgresql(databases: FreshDatabases) -> Iterator[Store]:
    with bound_store("admin", databases.migrated("admin", "postgresql")) as store:
        yield store


@pytest.mark.parametrize("method", [ADD, GET, LIST])
def test_after_the_server_cut_all_connections_calls_go_on(
    on_postgresql: Store, postgresql: PostgresqlServer, method: str
) -> None:
    admin = runner(on_postgresql)
    book = admin.call(ADD, AddBookRequest(title="Emma"))
    fill_pool(on_postgresql, connections=4)
    assert postgresql.end_connections(postgresql.name_of(on_postgresql.url)) == 4

    request = {ADD: AddBookRequest(title="Next"), GET: GetBookRequest(id=book.id), LIST: ListBooksRequest()}[method]
    first = admin.call(method, request)
    if isinstance(first, Refusal):
        assert_store_unavailable(first)
    assert not isinstance(admin.call(method, request), Refusal)


def fill_pool(store: Store, connections: int) -> None:
    """Use this number of connections at the same time, so that as many wait in the pool."""
    together = Barrier(connections)

    def use() -> None:
        with store.reading():
            store.database.execute_sql("SELECT 1")
            together.wait()

    with ThreadPoolExecutor(connections) as threads:
        for used in [threads.submit(use) for _ in range(connections)]:
            used.result(100)


def test_a_transaction_that_is_cut_in_the_middle_changes_nothing(
    on_postgresql: Store, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = runner(on_postgresql)
    with on_postgresql.reading():
        before = head_revision()

    def take_and_be_cut(count: int = 1) -> int:
        first = take_revisions(count)
        postgresql.end_connections(postgresql.name_of(on_postgresql.url))
        return first

    monkeypatch.setattr("admin_server.books.writing.take_revisions", take_and_be_cut)
    assert_store_unavailable(admin.refusal(ADD, AddBookRequest(title="Emma")))
    monkeypatch.undo()
    added = admin.call(ADD, AddBookRequest(title="Emma"))
    assert isinstance(added, Book)
    assert [book.title for book in admin.call(LIST, ListBooksRequest()).books] == ["Emma"]
    with on_postgresql.reading():
        assert head_revision() == before + 2, "the book and its item"


def test_a_writer_that_waits_too_long_for_another_may_try_again(
    databases: FreshDatabases,
) -> None:
    with bound_store("admin", databases.migrated("admin", "postgresql"), StoreTimes(busy_seconds=1)) as store:
        admin = runner(store)
        with store.writing():
            take_revisions()  # by this thread; the call has a thread and a connection of its own
            assert_store_unavailable(admin.refusal(ADD, AddBookRequest(title="Emma")))
        assert isinstance(admin.call(ADD, AddBookRequest(title="Emma")), Book)


# --- SQLite ---


def test_a_writer_that_waits_too_long_for_another_process_may_try_again(
    databases: FreshDatabases,
) -> None:
    url = databases.migrated("admin", "sqlite")
    other = CySqliteDatabase(url.removeprefix("sqlite:///"), thread_safe=False)
    with bound_store("admin", url, StoreTimes(busy_seconds=1)) as store:
        admin = runner(store)
        book = admin.call(ADD, AddBookRequest(title="Emma"))
        other.execute_sql("BEGIN IMMEDIATE")
        assert_store_unavailable(admin.refusal(ADD, AddBookRequest(title="Persuasion")))
        assert admin.call(GET, GetBookRequest(id=book.id)) == book  # readers do not wait for writers
        other.execute_sql("ROLLBACK")
        assert isinstance(admin.call(ADD, AddBookRequest(title="Persuasion")), Book)
    other.close()


def long_book(number: int) -> AddBookRequest:
    return AddBookRequest(title=f"T{number}", description="x" * 9_000)


def limit_to_pages_more(store: Store, pages: int) -> None:
    """Let the file grow by at most this number of pages: to SQLite the disk is full after that."""
    database: Any = store.database  # peewee's stubs do not know that it is SQLite
    database.pragma("max_page_count", database.pragma("page_count") + pages, permanent=True)


def test_on_a_full_disk_a_change_is_refused_and_what_is_there_can_be_read(databases: FreshDatabases) -> None:
    with bound_store("admin", databases.migrated("admin", "sqlite")) as store:
        limit_to_pages_more(store, 12)
        admin = runner(store)
        added: list[str] = []
        while isinstance(outcome := admin.call(ADD, long_book(len(added))), Book):
            added.append(outcome.id)
            assert len(added) < 12
        assert added
        assert_store_unavailable(outcome)
        assert [book.id for book in admin.call(LIST, ListBooksRequest()).books] == added
        assert admin.call(GET, GetBookRequest(id=added[0])).description == "x" * 9_000


def test_on_a_full_disk_nothing_is_half_done_and_with_room_it_goes_on(
    databases: FreshDatabases, clock: SettableClock
) -> None:
    with bound_store("admin", databases.migrated("admin", "sqlite")) as store:
        admin = Admin(store, clock)
        limit_to_pages_more(store, 12)

        def add_until_full() -> None:
            for number in range(12):
                before.append((head_revision(), admin.titles()))
                catalog.add_book(store, long_book(number), clock)

        before: list[tuple[int, list[str]]] = []
        with pytest.raises(peewee.OperationalError, match="full") as full:
            add_until_full()
        assert is_unavailable(full.value)
        assert (head_revision(), admin.titles()) == before[-1]
        assert admin.changes()[0][-1].book.title == before[-1][1][-1]
        store.database.execute_sql("PRAGMA max_page_count = 1000000")
        admin.add("With room", description="x" * 9_000)
        assert admin.titles(query="room") == ["With room"]
        assert store.database.execute_sql("PRAGMA integrity_check").fetchone() == ("ok",)
