"""No two transactions wait for each other on PostgreSQL: one order of locks for all that write, and no deadlock.

The calls are those of `tests.support.admin_writing_calls` and `frontend_writing_calls`. A method of the contract
without a call there fails, and so does a function that begins a transaction to write and is not reached by any of them.
"""

from __future__ import annotations

import importlib
import random
import threading
from collections.abc import Iterator
from types import ModuleType

import psycopg
import pytest
from psycopg import sql

from library.sync.v1 import sync_service_pb2
from service_kit.errors import ServiceError
from service_kit.postgresql.sqlstates import sqlstate_of
from service_kit.store import Store
from tests.support.admin_writing_calls import AdminCalls
from tests.support.changing_methods import CHANGING_METHODS
from tests.support.clocks import SettableClock
from tests.support.frontend_writing_calls import FrontendCalls
from tests.support.lock_order import Lock, Recorder, Rules, functions_that_write
from tests.support.postgresql import PostgresqlServer
from tests.support.stores import FreshDatabases, ServerName, bound_store
from tests.support.writing_calls import refused_or_done

ROUNDS, MORE_ROUNDS, MOST_ROUNDS = 5, 20, 100
"""How often each call is made, one after another, for the order: its parameters are drawn each time."""

THREADS = 8
CALLS, MOST_CALLS = 30, 1_000
"""How many calls each thread makes next to the others; more, up to a limit, until each call was done once."""

MODELS: dict[ServerName, ModuleType] = {
    name: importlib.import_module(f"{name}_server.store.models") for name in ("admin", "frontend")
}
RULES: dict[ServerName, Rules] = {
    "admin": Rules(
        MODELS["admin"].LOCK_ORDER,
        MODELS["admin"].GUARDED_TABLES,
        new_rows={"book": "counter", "audit_entry": "", "audit_object": ""},
        alone=frozenset({"external_source", "external_answer"}),
        many_rows="frontend",
    ),
    "frontend": Rules(
        MODELS["frontend"].LOCK_ORDER,
        MODELS["frontend"].GUARDED_TABLES,
        new_rows={"loan": "", "history": "", "signing_key": "", "audit_entry": ""},
        rows_of_one={"session": "user_account"},
        unique_columns=("email_key", "card_number"),
        alone=frozenset({"clock_mark"}),
        many_rows="sync_state",
    ),
}
SERVICES: dict[ServerName, str | tuple[str, ...]] = {
    "admin": "library.admin.",
    "frontend": ("library.frontend.", "library.access."),
}
"""How the names of the methods of each server begin."""

SIGN_IN_METHODS = {
    f"library.access.v1.AccessService/{name}"
    for name in ("CreateSession", "RefreshSession", "EndSession", "SetPassword", "CreateResetCode", "EndUserSessions")
}
STREAMS = {"library.admin.v1.CatalogService/ImportBooks", "library.admin.v1.ImportService/StartImport"}
RECORDS = {
    f"library.sync.v1.SyncService/{method.name}"
    for method in sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"].methods
    if method.name.startswith("Record")
}


@pytest.fixture(params=["admin", "frontend"])
def server(request: pytest.FixtureRequest) -> ServerName:
    server: ServerName = request.param
    return server


@pytest.fixture
def store(databases: FreshDatabases, server: ServerName) -> Iterator[Store]:
    with bound_store(server, databases.migrated(server, "postgresql")) as store:
        yield store


@pytest.fixture
def calls(store: Store, server: ServerName, clock: SettableClock) -> AdminCalls | FrontendCalls:
    return AdminCalls(store, clock) if server == "admin" else FrontendCalls(store, clock)


def test_each_method_that_changes_something_is_among_the_calls(
    calls: AdminCalls | FrontendCalls, server: ServerName
) -> None:
    methods = {name for name in {*CHANGING_METHODS, *STREAMS, *SIGN_IN_METHODS} if name.startswith(SERVICES[server])}
    assert methods | (RECORDS if server == "admin" else set()) == {name for name in calls.by_name if "/" in name}


@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(MORE_ROUNDS, marks=pytest.mark.slow)])
def test_all_that_writes_locks_rows_in_the_order_that_the_service_states(
    calls: AdminCalls | FrontendCalls, server: ServerName, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    recorder = Recorder()
    recorder.watch(monkeypatch)
    writers = functions_that_write(f"{server}_server/", "service_kit/idempotency.py")
    writers -= {"frontend_server/repair.py:repair", "admin_server/sync/repair.py:repair"}  # they have the store alone
    tables = {*RULES[server].order, *RULES[server].guarded, *RULES[server].alone}
    chance = random.Random(server)
    for turn in range(MOST_ROUNDS):
        for call in calls.by_name.values():
            refused_or_done(call, chance)
        locked = {lock.table for locks in recorder.transactions for lock in locks}
        if turn >= rounds and recorder.writers == writers and locked >= tables:
            break
    wrong = {problem for locks in recorder.transactions for problem in RULES[server].problems(locks)}
    assert wrong == set()
    locked = {lock.table for locks in recorder.transactions for lock in locks}
    assert locked >= tables
    assert recorder.writers == writers


@pytest.mark.parametrize(
    ("server", "statements"),
    [
        ("frontend", ['UPDATE "counter" SET', 'INSERT INTO "user_account"']),
        ("frontend", ['UPDATE "book" SET x WHERE "id" = ', 'UPDATE "loan" SET x WHERE "id" = ']),
        ("frontend", ['UPDATE "loan" SET x']),
        ("frontend", ['INSERT INTO "set_aside"']),
        ("frontend", ['UPDATE "user_account" SET x WHERE "id" = ', 'UPDATE "counter" SET x WHERE id = ',
                      'UPDATE "user_account" SET "email_key" = WHERE "id" = ']),
        ("admin", ['INSERT INTO "book"']),
        ("admin", ['UPDATE "counter" SET x WHERE id = ', 'SELECT * FROM "book" WHERE "id" = FOR UPDATE']),
    ],
)  # fmt: skip
def test_what_breaks_the_order_is_found(server: ServerName, statements: list[str]) -> None:
    recorder = Recorder()
    for statement in ["BEGIN", *statements, "COMMIT"]:
        recorder._note(1, statement)
    [locks] = recorder.transactions
    assert all(isinstance(lock, Lock) for lock in locks)
    assert list(RULES[server].problems(locks))


def test_a_mix_of_all_that_writes_has_no_deadlock(
    store: Store, calls: AdminCalls | FrontendCalls, postgresql: PostgresqlServer
) -> None:
    database = postgresql.name_of(store.url)
    with psycopg.connect(store.url, autocommit=True) as connection:  # so that a deadlock is found before it is over
        connection.execute(sql.SQL("ALTER DATABASE {} SET deadlock_timeout = '5ms'").format(sql.Identifier(database)))
    store.close()  # what is opened from here on has this setting
    mix = Mix(calls)
    threads = [threading.Thread(target=mix.work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(sqlstate_of(error), str(error)) for error in mix.unexpected] == []
    assert mix.done == set(calls.by_name), "a call was refused each time, or wrote no entry of the audit log"
    assert deadlocks(store, postgresql) == 0


class Mix:
    """Calls at random, by several threads, until each call was done once: in the end those that were not."""

    def __init__(self, calls: AdminCalls | FrontendCalls) -> None:
        self.calls, self.without_entry = calls.by_name, calls.audited.without
        self.unexpected: list[Exception] = []
        self.done: set[str] = set()

    def work(self, seed: int) -> None:
        chance = random.Random(seed)
        for turn in range(MOST_CALLS):
            if turn >= CALLS and (self.unexpected or len(self.done) == len(self.calls)):
                return
            names = list(self.calls)
            if turn >= CALLS and chance.random() < 0.7:  # the others stay, which may be what a call needs to be done
                names = [name for name in names if name not in self.done] or names
            name = chance.choice(names)
            try:
                outcome = refused_or_done(self.calls[name], chance)
            except Exception as error:  # noqa: BLE001 - the test is to see any error
                self.unexpected.append(error)
            else:
                # A call that only tries, or finds nothing to end, changes nothing: it has no entry in the audit log.
                if not isinstance(outcome, ServiceError) and name not in self.without_entry:
                    self.done.add(name)


def deadlocks(store: Store, postgresql: PostgresqlServer) -> int:
    """Return how many deadlocks the server has counted; a session that has ended has reported its own."""
    store.close()
    assert postgresql.wait_until_unused(postgresql.name_of(store.url))
    with psycopg.connect(store.url, autocommit=True) as connection:
        row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])
