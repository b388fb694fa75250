"""Databases, roles and environments that are set up otherwise than the service needs: set right, or refused."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest

from admin_server.store.models import MIGRATIONS
from service_kit.migrations import migrate
from service_kit.series import SERIES_ID
from service_kit.store import StoreSettingsError, open_store
from tests.support.library_command import environment
from tests.support.postgresql import PostgresqlServer
from tests.support.stores import ServerName

ENCODINGS = ("LATIN1", "LATIN9", "SQL_ASCII", "EUC_JP", "WIN1252", "KOI8R", "MULE_INTERNAL", "EUC_JIS_2004")

_numbers = itertools.count(1)

Execute = Callable[[str], None]


@pytest.fixture
def execute(postgresql: PostgresqlServer) -> Execute:
    def execute(statement: str) -> None:
        with psycopg.connect(postgresql.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    return execute


@pytest.fixture
def owner(postgresql: PostgresqlServer, execute: Execute) -> tuple[str, str, str]:
    """A role without privileges that owns a database: the role, the database, and its URL with that role."""
    number = next(_numbers)
    role, database = f"owner_{number}", f"owned_{number}"
    execute(f"CREATE ROLE {role} LOGIN")
    execute(f"CREATE DATABASE {database} OWNER {role}")
    return role, database, postgresql.url(database).replace("postgres:@", f"{role}:@")


def encoded(postgresql: PostgresqlServer, execute: Execute, encoding: str) -> str:
    name = f"encoded_{next(_numbers)}"
    execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    return postgresql.url(name)


# --- encodings ---


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_database_that_is_not_utf8_is_refused_with_the_command_that_makes_a_right_one(
    postgresql: PostgresqlServer, execute: Execute, encoding: str
) -> None:
    url = encoded(postgresql, execute, encoding)
    with pytest.raises(StoreSettingsError) as refused:
        open_store(url)
    assert f"the encoding {encoding}" in str(refused.value)
    assert "createdb --encoding=UTF8 --template=template0 NAME" in str(refused.value)


@pytest.mark.parametrize(
    ("server", "arguments"),
    [
        ("admin", ["serve", "--listen=127.0.0.1:0"]),
        ("admin", ["migrate"]),
        ("admin", ["accept-frontend", "2f1c3f4e-6a0b-4d7e-9c55-0d6f5a1be001"]),
        ("frontend", ["serve", "--listen=127.0.0.1:0"]),
        ("frontend", ["migrate"]),
    ],
)
def test_each_command_refuses_it_in_one_sentence(
    postgresql: PostgresqlServer, execute: Execute, server: ServerName, arguments: list[str]
) -> None:
    url = encoded(postgresql, execute, "LATIN1")
    done = run(server, *arguments, f"--database-url={url}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"library-{server}: ")
    assert "LATIN1" in done.stderr
    assert "Traceback" not in done.stderr
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def run(server: ServerName, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"{server}_server", *arguments]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("where", ["environment", "role", "database", "URL"])
def test_text_is_sent_as_utf8_with_any_client_encoding_by_default(
    owner: tuple[str, str, str], execute: Execute, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role, database, url = owner
    if where == "environment":
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    elif where == "role":
        execute(f"ALTER ROLE {role} SET client_encoding = 'LATIN1'")
    elif where == "database":
        execute(f"ALTER DATABASE {database} SET client_encoding = 'LATIN1'")
    else:
        url += "&client_encoding=LATIN1"
    store = open_store(url)
    with store.reading():
        text = "Łódź 図書館 ʻokina"
        assert store.database.execute_sql("SELECT %s::text, length(%s)", (text, text)).fetchone() == (text, len(text))
    store.close()


# --- settings that a session can set ---

HARMFUL = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "lock_timeout": "4000",
    "statement_timeout": "4000",
    "idle_in_transaction_session_timeout": "4000",
    "idle_session_timeout": "4000",
    "transaction_timeout": "4000",
    "timezone": "Pacific/Kiritimati",
    "datestyle": "German",
    "bytea_output": "escape",
    "transform_null_equals": "on",
    "gin_fuzzy_search_limit": "1",
    "synchronous_commit": "off",
    "standard_conforming_strings": "off",
}


@pytest.mark.parametrize("kind", ["ROLE", "DATABASE"])
def test_defaults_of_a_role_or_database_do_not_reach_our_sessions(
    owner: tuple[str, str, str], execute: Execute, kind: str
) -> None:
    role, database, url = owner
    for name, value in HARMFUL.items():
        execute(f"ALTER {kind} {role if kind == 'ROLE' else database} SET {name} = '{value}'")
    store = open_store(url)
    migrate(store, MIGRATIONS)
    with store.reading():
        sql = "SELECT lower(name), setting FROM pg_settings WHERE lower(name) = ANY(%s)"
        found = dict(store.database.execute_sql(sql, (list(HARMFUL),)).fetchall())
    store.close()
    assert found == {
        "datestyle": "ISO, DMY",
        "bytea_output": "hex",
        "default_transaction_deferrable": "off",
        "default_transaction_isolation": "read committed",
        "gin_fuzzy_search_limit": "0",
        "idle_in_transaction_session_timeout": "30000",
        "idle_session_timeout": "0",
        "lock_timeout": "5000",
        "standard_conforming_strings": "on",
        "statement_timeout": "60000",
        "synchronous_commit": "on",
        "timezone": "UTC",
        "transaction_timeout": "0",
        "transform_null_equals": "off",
    }


def test_a_stronger_synchronous_commit_is_kept(owner: tuple[str, str, str], execute: Execute) -> None:
    role, _, url = owner
    execute(f"ALTER ROLE {role} SET synchronous_commit = 'remote_apply'")
    store = open_store(url)
    with store.reading():
        assert store.database.execute_sql("SHOW synchronous_commit").fetchone() == ("remote_apply",)
    store.close()


# --- what it cannot ---


@pytest.mark.parametrize("kind", ["ROLE", "DATABASE"])
def test_a_read_only_database_is_refused(owner: tuple[str, str, str], execute: Execute, kind: str) -> None:
    """Not set right: it may have been made read-only because its data were moved elsewhere."""
    role, database, url = owner
    execute(f"ALTER {kind} {role if kind == 'ROLE' else database} SET default_transaction_read_only = on")
    with pytest.raises(StoreSettingsError, match="default_transaction_read_only is on"):
        open_store(url)


def test_a_search_path_that_leads_nowhere_is_refused(owner: tuple[str, str, str], execute: Execute) -> None:
    role, _, url = owner
    execute(f"ALTER ROLE {role} SET search_path = 'nowhere'")
    with pytest.raises(StoreSettingsError, match="search_path"):
        open_store(url)


def test_options_of_the_url_are_applied(owner: tuple[str, str, str], execute: Execute) -> None:
    role, _, url = owner
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA shelf AUTHORIZATION {role}".encode())
    store = open_store(f"{url}&options=-csearch_path%3Dshelf")
    try:  # a store left open fails a later test, in which Python deletes its connection
        migrate(store, MIGRATIONS)
        with store.reading():
            counters = store.database.execute_sql("SELECT id FROM shelf.counter ORDER BY id").fetchall()
    finally:
        store.close()
    assert counters == [(1,), (SERIES_ID,)]
