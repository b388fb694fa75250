"""A pgbouncer in between: in session mode all works, in the other modes a start is refused with the reason."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import peewee
import psycopg
import pytest

from service_kit.store import Store, StoreSettingsError, is_unavailable, open_store
from tests.support.pgbouncer import Pgbouncer, running_pgbouncer
from tests.support.postgresql import PostgresqlServer

POOL_SIZES = ("1", "2", "20")
VARIANTS = [
    {"server_round_robin": round_robin, "ignore_startup_parameters": ignored}
    for round_robin, ignored in itertools.product("01", ("", "options, extra_float_digits"))
]


def database_behind(pgbouncer: Pgbouncer, postgresql: PostgresqlServer, warm: int = 0) -> str:
    """A fresh database through the pgbouncer, which has this number of idle connections to it already."""
    url = pgbouncer.url(postgresql.new_database())
    connections = [psycopg.connect(url, autocommit=True, prepare_threshold=None) for _ in range(warm)]
    for connection in connections:
        connection.execute("BEGIN")
    for connection in connections:
        connection.execute("COMMIT")
    for connection in connections:
        connection.close()
    return url


@pytest.mark.parametrize("pool_size", POOL_SIZES)
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_another_mode_than_session_is_refused(postgresql: PostgresqlServer, mode: str, pool_size: str) -> None:
    for variant in VARIANTS:
        with running_pgbouncer(
            postgresql.url("postgres"), pool_mode=mode, default_pool_size=pool_size, **variant
        ) as pgbouncer:
            for warm in {0, int(pool_size) if mode == "transaction" else 0}:
                url = database_behind(pgbouncer, postgresql, warm)
                with pytest.raises(StoreSettingsError, match=r"pool_mode = session"):
                    open_store(url)


@pytest.mark.parametrize(
    ("pool_size", "variants"),
    [
        ("2", VARIANTS[:1]),
        pytest.param("3", VARIANTS[-1:], marks=pytest.mark.slow),
        pytest.param("20", VARIANTS, marks=pytest.mark.slow),
    ],
)
def test_session_mode_works_without_another_setting(
    postgresql: PostgresqlServer, pool_size: str, variants: list[dict[str, str]]
) -> None:
    for variant in variants:
        with running_pgbouncer(
            postgresql.url("postgres"), pool_mode="session", default_pool_size=pool_size, **variant
        ) as pgbouncer:
            for warm in {0, int(pool_size) if len(variants) > 1 else 0}:
                store = open_store(database_behind(pgbouncer, postgresql, warm))
                with store.try_lock("a lock") as alone:
                    assert alone
                    assert store.database.execute_sql("SHOW lock_timeout").fetchone() == ("5s",)
                    assert advisory_locks(store) == 1
                with store.reading():
                    assert advisory_locks(store) == 0
                store.close()


@pytest.mark.slow
def test_session_mode_with_one_connection_is_refused_and_does_not_hang(postgresql: PostgresqlServer) -> None:
    with running_pgbouncer(postgresql.url("postgres"), pool_mode="session", default_pool_size="1") as pgbouncer:
        url = database_behind(pgbouncer, postgresql)
        with pytest.raises(StoreSettingsError, match="raise pool_size"):
            open_store(url)


@pytest.mark.slow
def test_with_few_connections_calls_wait_for_one_and_get_it(postgresql: PostgresqlServer) -> None:
    """A thread that finds the pooler exhausted waits for a connection of this process."""
    with running_pgbouncer(postgresql.url("postgres"), pool_mode="session", default_pool_size="2") as pgbouncer:
        store = open_store(database_behind(pgbouncer, postgresql))

        def use(_: int) -> None:
            with store.reading():
                store.database.execute_sql("SELECT pg_sleep(0.01)")

        def use_and_be_patient(number: int) -> None:
            for _ in range(10):
                try:
                    return use(number)
                except Exception as error:  # noqa: BLE001 - it is compared
                    assert is_unavailable(error)
            raise AssertionError("no connection in ten tries")

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(use_and_be_patient, range(6)))
            list(threads.map(use, range(200)))
        store.close()


@pytest.mark.slow
def test_what_a_client_before_left_in_a_session_does_no_harm(postgresql: PostgresqlServer) -> None:
    """With an empty server_reset_query, a session keeps locks, settings and prepared statements."""
    with running_pgbouncer(
        postgresql.url("postgres"), pool_mode="session", default_pool_size="3", server_reset_query=""
    ) as pgbouncer:
        url = database_behind(pgbouncer, postgresql)
        before = [psycopg.connect(url, autocommit=True) for _ in range(3)]
        for connection in before:
            connection.execute("SELECT pg_advisory_lock_shared(1)")
            connection.execute("SET lock_timeout = '7s'")
            connection.execute("SET client_encoding = 'LATIN1'")
            for _ in range(10):
                connection.execute("SELECT 'of the client before'::text, %s::int", (1,))
        for connection in before:
            connection.close()
        store = open_store(url)
        with store.reading():
            assert advisory_locks(store) == 0
            assert store.database.execute_sql("SHOW lock_timeout").fetchone() == ("5s",)
            for number in range(10):
                assert store.database.execute_sql("SELECT 'Ł'::text, %s::int", (number,)).fetchone() == ("Ł", number)
        store.close()


def test_a_mode_that_is_changed_while_we_run_is_logged_and_leaves_no_lock(
    postgresql: PostgresqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    with running_pgbouncer(postgresql.url("postgres"), pool_mode="session", default_pool_size="20") as pgbouncer:
        url = database_behind(pgbouncer, postgresql)
        store = open_store(url)
        pgbouncer.reconfigure(pool_mode="transaction")
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            deadline = time.monotonic() + 20
            while "is a connection pooler in between that is not in session mode" not in caplog.text:
                assert time.monotonic() < deadline, "the lock was never lost"
                with store.try_lock("pull") as alone:
                    assert alone
                    other.execute("BEGIN")  # takes the session with the lock, once that is free for others
                other.execute("COMMIT")
        with store.try_lock("pull") as alone:
            assert alone
        store.close()


def advisory_locks(store: Store) -> int:
    sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE "
    (count,) = store.database.execute_sql(sql + "datname = current_database())").fetchone()
    return int(count)


def test_statements_that_a_pooler_lost_are_answered_unavailable(postgresql: PostgresqlServer) -> None:
    """As a client would see that prepares statements, which ours do not through a pooler."""
    with running_pgbouncer(postgresql.url("postgres"), pool_mode="transaction", default_pool_size="2") as pgbouncer:
        url = database_behind(pgbouncer, postgresql)
        database = peewee.PostgresqlDatabase(url, prefer_psycopg3=True)
        database.execute_sql("SELECT 1")
        database.connection().prepare_threshold = 0
        with psycopg.connect(url, autocommit=True, prepare_threshold=0) as other:
            other.execute("SELECT 'other', %s::int", (1,))
            with pytest.raises(peewee.ProgrammingError) as duplicate:
                database.execute_sql("SELECT 'own', %s::int", (1,))
        assert is_unavailable(duplicate.value)
        database.close()
