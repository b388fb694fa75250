"""A PostgreSQL that is replaced under an open store: what is called when, and what the store does until then."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import peewee
import psycopg
import pytest

import admin_server.app
import frontend_server.app
from admin_server.store.models import Epoch
from admin_server.sync.epochs import begin_epoch, current_epoch
from frontend_server.store.models import SyncState, ensure_frontend_id
from service_kit.migrations import migrate
from service_kit.revisions import take_revisions
from service_kit.store import Store, is_unavailable, open_store
from tests.support.clocks import SettableClock
from tests.support.postgresql import PostgresqlServer
from tests.support.stores import Engine, FreshDatabases, ServerName, bound_store, migrations_of

SERVERS: tuple[ServerName, ...] = ("admin", "frontend")


class Replaceable:
    """A store whose database is dropped and made again from another one."""

    def __init__(self, store: Store, server: PostgresqlServer) -> None:
        self.store = store
        self.server = server
        self.name = server.name_of(store.url)

    def copy(self) -> str:
        """Copy the database; the store opens its connections again when it needs them."""
        self.store.close()
        return self.server.new_database(self.name)

    def replace(self, template: str) -> None:
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {self.name} WITH (FORCE)".encode())
            connection.execute(f"CREATE DATABASE {self.name} TEMPLATE {template}".encode())


@pytest.fixture
def admin(databases: FreshDatabases, postgresql: PostgresqlServer) -> Iterator[Replaceable]:
    with bound_store("admin", databases.migrated("admin", "postgresql")) as store:
        begin_epoch(store, SettableClock())
        store.on_replaced_database(lambda: admin_server.app.take_up_replaced_database(store))
        yield Replaceable(store, postgresql)


def epochs(store: Store) -> int:
    """Count the epochs, trying again while connections of before break one after another."""
    for _ in range(30):
        try:
            with store.reading():
                return Epoch.select().count()
        except (peewee.OperationalError, peewee.InterfaceError) as error:
            assert is_unavailable(error)
    raise AssertionError("the store does not come back")


def test_cut_connections_alone_do_not_mean_another_database(admin: Replaceable, postgresql: PostgresqlServer) -> None:
    postgresql.end_connections(admin.name)
    assert epochs(admin.store) == 1
    with admin.store.writing():
        take_revisions()
    assert epochs(admin.store) == 1


def test_a_replaced_database_is_taken_up_once_and_before_any_other_use(admin: Replaceable) -> None:
    store, copy = admin.store, admin.copy()
    assert epochs(store) == 1
    taken_up = threading.Event()
    calls: list[str] = []

    def take_up() -> None:
        admin_server.app.take_up_replaced_database(store)
        calls.append(store.witness)
        taken_up.set()

    def use() -> None:
        with store.reading():
            assert taken_up.is_set()
            assert current_epoch().witness == store.witness

    store.on_replaced_database(take_up)
    admin.replace(copy)
    store.close()  # otherwise the first uses find broken connections
    with ThreadPoolExecutor(8) as threads:
        for used in [threads.submit(use) for _ in range(40)]:
            used.result(60)
    assert len(calls) == 1
    assert epochs(store) == 2


def test_where_it_cannot_be_taken_up_the_store_is_unavailable_and_later_it_is_tried_again(admin: Replaceable) -> None:
    store, copy = admin.store, admin.copy()
    assert epochs(store) == 1
    problems = [InterruptedError("not yet"), KeyError("nor now")]

    def take_up() -> None:
        if problems:
            raise problems.pop()
        admin_server.app.take_up_replaced_database(store)

    store.on_replaced_database(take_up)
    admin.replace(copy)
    store.close()
    for _ in range(2):
        with pytest.raises(peewee.OperationalError, match="cannot be used") as raised, store.writing():
            raise AssertionError("the store is not to be used")
        assert is_unavailable(raised.value)
    assert epochs(store) == 2


def test_a_database_without_tables_is_left_alone_until_it_is_restored(admin: Replaceable) -> None:
    store, copy = admin.store, admin.copy()
    assert epochs(store) == 1
    admin.replace("template0")
    store.close()
    with pytest.raises(peewee.OperationalError, match="is empty or is being restored"), store.reading():
        raise AssertionError("the store is not to be used")
    with psycopg.connect(store.url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    admin.replace(copy)
    assert epochs(store) == 2


def test_a_database_of_before_the_last_migration_is_migrated(admin: Replaceable, tmp_path: Path) -> None:
    store = admin.store
    old = Replaceable(store, admin.server)
    admin.replace("template0")
    store.on_replaced_database(lambda: None)
    store.close()
    first_migration(store, "admin", tmp_path)
    copy = old.copy()
    store.on_replaced_database(lambda: admin_server.app.take_up_replaced_database(store))
    admin.replace(copy)
    assert epochs(store) == 1


def first_migration(store: Store, server: ServerName, folder: Path) -> None:
    """Bring an empty store to the schema of the first migration only."""
    shutil.copy(migrations_of(server) / "0001_initial.py", folder)
    assert migrate(store, folder) == ["0001_initial"]


def test_a_counter_that_goes_back_is_noticed_by_the_next_write(admin: Replaceable) -> None:
    store = admin.store
    with store.writing():
        take_revisions(100)
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute("UPDATE counter SET revision = 7")
    with pytest.raises(peewee.OperationalError, match="went back in time"), store.writing():
        take_revisions()
    assert epochs(store) == 2
    with store.writing():
        assert take_revisions() == 9  # one was taken by the epoch


def test_revisions_that_were_rolled_back_may_be_taken_again(admin: Replaceable) -> None:
    store = admin.store

    def take_and_fail() -> None:
        with store.writing():
            take_revisions(100)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        take_and_fail()
    for _ in range(3):
        with store.writing():
            take_revisions()
        with store.writing():
            pass
    assert epochs(store) == 1


def test_a_frontend_doubts_a_replaced_database_once(databases: FreshDatabases, postgresql: PostgresqlServer) -> None:
    with bound_store("frontend", databases.migrated("frontend", "postgresql")) as store:
        frontend_id = ensure_frontend_id(store)
        with store.writing():
            SyncState.update(start_revision=0).execute()
        store.on_replaced_database(lambda: frontend_server.app.take_up_replaced_database(store))
        replaceable = Replaceable(store, postgresql)
        copy = replaceable.copy()
        replaceable.replace(copy)
        with store.reading():
            state = SyncState.get()
        assert state.frontend_id == frontend_id
        assert state.start_revision == 2
        assert state.witness == witness_of(store)
        other = open_store(store.url)  # another process of the store
        with other.writing():
            SyncState.update(start_revision=0).execute()
        frontend_server.app.take_up_replaced_database(store)
        with store.reading():
            assert SyncState.get().start_revision == 0
        other.close()


def witness_of(store: Store) -> str:
    with store.reading():
        return store.witness


ROWS = {
    "admin": "INSERT INTO epoch (number, id, first_revision, start_time) VALUES (1, 'here', 1, 5)",
    "frontend": "INSERT INTO sync_state (one, frontend_id, cursor, receipt, generation, resyncing, start_revision) "
    "VALUES (1, 'here', 'c', 'r', 3, false, 0)",
}
ASK = {"admin": "SELECT id, witness FROM epoch", "frontend": "SELECT frontend_id, witness FROM sync_state"}


@pytest.mark.parametrize("server", SERVERS)
def test_the_migration_keeps_the_rows(
    databases: FreshDatabases, engine: Engine, server: ServerName, tmp_path: Path
) -> None:
    store = open_store(databases.empty(engine))
    first_migration(store, server, tmp_path)
    with store.writing():
        store.database.execute_sql(ROWS[server])
    for file in migrations_of(server).glob("*.py"):
        if file.stem < "0008":  # a later one deletes the epochs
            shutil.copy(file, tmp_path)
    assert "0007_database_witness" in migrate(store, tmp_path)
    with store.reading():
        assert store.database.execute_sql(ASK[server]).fetchall() == [("here", "")]
    store.close()
