"""Each SQLSTATE with which PostgreSQL refuses for now, raised by a real server: UNAVAILABLE, and then calls go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import peewee
import psycopg
import pytest

from admin_server.rpc.servicers import services
from admin_server.sync.epochs import begin_epoch
from library.admin.v1.catalog_service_pb2 import AddBookRequest, ListBooksRequest
from library.v1.book_pb2 import Book
from service_kit.store import Store, is_unavailable
from tests.support.clients import Refusal
from tests.support.clocks import SettableClock
from tests.support.postgresql import PostgresqlServer
from tests.support.servicers import ServicerRunner
from tests.support.stores import FreshDatabases, bound_store

ADD = "library.admin.v1.CatalogService/AddBook"
LIST = "library.admin.v1.CatalogService/ListBooks"

UNAVAILABLE = [
    *("08000", "08001", "08003", "08004", "08006", "08007", "08P01"),  # connections
    *("25006", "25P03", "25P04", "26000", "42P05"),  # transactions and prepared statements
    *("3D000", "3F000", "42P01", "55006", "55P03"),  # objects that are not there yet, or in use
    *("40000", "40001", "40003", "40P01"),  # rolled back
    *("53000", "53100", "53200", "53300", "53400"),  # out of resources
    *("57000", "57014", "57P01", "57P02", "57P03", "57P04", "57P05"),  # operators
    *("58000", "58030", "58P01"),  # the system
]
FAULTS_OF_OURS = [
    *("0A000", "21000", "22001", "22003", "22P02", "23502", "23505", "25P02"),
    *("42501", "42601", "42703", "42883", "42P02", "P0001", "XX000"),
]


@pytest.fixture
def store(databases: FreshDatabases) -> Iterator[Store]:
    with bound_store("admin", databases.migrated("admin", "postgresql")) as store:
        begin_epoch(store, SettableClock())
        yield store


@pytest.fixture
def admin(store: Store) -> ServicerRunner:
    return ServicerRunner(services(store, SettableClock()))


def fail_writes(store: Store, sqlstate: str) -> None:
    """Let each insert of a book raise this SQLSTATE."""
    with store.reading():
        store.database.execute_sql(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}', MESSAGE = 'no'; END $$"
        )
        store.database.execute_sql("CREATE TRIGGER fail BEFORE INSERT ON book EXECUTE FUNCTION fail()")


def allow_writes(store: Store) -> None:
    with store.reading():
        store.database.execute_sql("DROP TRIGGER fail ON book")


def assert_store_unavailable(refusal: Any) -> None:
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


def test_each_sqlstate_that_means_not_now_is_answered_unavailable(store: Store, admin: ServicerRunner) -> None:
    for sqlstate in UNAVAILABLE:
        fail_writes(store, sqlstate)
        answer = admin.call(ADD, AddBookRequest(title=sqlstate))
        assert isinstance(answer, Refusal), sqlstate
        assert (sqlstate, answer.code, answer.reason) == (sqlstate, grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        allow_writes(store)
        assert isinstance(admin.call(ADD, AddBookRequest(title=f"After {sqlstate}")), Book)
    assert len(admin.call(LIST, ListBooksRequest(page_size=1_000)).books) == len(UNAVAILABLE)


def test_a_fault_of_ours_is_not_answered_so(store: Store) -> None:
    for sqlstate in FAULTS_OF_OURS:
        with pytest.raises(peewee.DatabaseError) as raised, store.reading():
            store.database.execute_sql(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")
        assert not is_unavailable(raised.value), sqlstate


def test_read_only_transactions(store: Store, admin: ServicerRunner) -> None:
    """As on a server that was made a standby while connections to it lived on."""
    name = PostgresqlServer.name_of(store.url)
    set_read_only(store, name, "on")
    assert_store_unavailable(admin.call(ADD, AddBookRequest(title="Emma")))
    set_read_only(store, name, "off")
    assert isinstance(admin.call(ADD, AddBookRequest(title="Emma")), Book)


def set_read_only(store: Store, name: str, value: str) -> None:
    with psycopg.connect(store.url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}".encode())
    store.close()  # connections of before keep what they began with


def cut_own_connection(store: Store) -> None:
    store.database.execute_sql("SELECT pg_terminate_backend(pg_backend_pid())")


def wait_too_long(store: Store) -> None:
    store.database.execute_sql("SET LOCAL statement_timeout = 1")
    store.database.execute_sql("SELECT pg_sleep(10)")


def idle_in_a_transaction(store: Store) -> None:
    store.database.execute_sql("SET LOCAL idle_in_transaction_session_timeout = 1")
    await_end(store)


def transact_too_long(store: Store) -> None:
    store.database.execute_sql("SET LOCAL transaction_timeout = 1")
    await_end(store)


def await_end(store: Store) -> None:
    """Wait until the server has ended this connection, and then use it."""
    connection: psycopg.Connection[Any] = store.database.connection()
    for _ in connection.notifies(timeout=100):
        pass
    store.database.execute_sql("SELECT 1")


def lose_a_prepared_statement(store: Store) -> None:
    connection: psycopg.Connection[Any] = store.database.connection()
    for _ in range(10):
        store.database.execute_sql("SELECT %s::int", (1,))
    connection.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$", prepare=False)
    store.database.execute_sql("SELECT %s::int", (1,))


@pytest.mark.parametrize(
    ("sqlstate", "fail"),
    [
        ("57P01", cut_own_connection),
        ("57014", wait_too_long),
        ("25P03", idle_in_a_transaction),
        ("25P04", transact_too_long),
        ("26000", lose_a_prepared_statement),
    ],
)
def test_what_the_server_itself_raises(store: Store, sqlstate: str, fail: Callable[[Store], None]) -> None:
    with pytest.raises((peewee.DatabaseError, peewee.InterfaceError)) as raised, store.writing():
        fail(store)
    assert is_unavailable(raised.value), sqlstate
    with store.writing():
        assert store.database.execute_sql("SELECT 1").fetchone() == (1,)
