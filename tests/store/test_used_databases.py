"""A test gets a database that another one has used: as fresh as a new one, or it does not get it."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.stores import FreshDatabases
from tests.support.used_databases import UsedDatabases


@pytest.fixture(scope="module")
def template(databases: FreshDatabases) -> str:
    return databases.migrated("admin", "postgresql")


@pytest.fixture
def used(template: str) -> UsedDatabases:
    return UsedDatabases(template)


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows, and the next value of each sequence."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND oid > 16384")
        rows = {name: connection.execute(f'SELECT * FROM "{name}"'.encode()).fetchall() for (name,) in tables}
        sequences = "SELECT sequencename, start_value, last_value FROM pg_sequences ORDER BY 1"
        return {**rows, "sequences": connection.execute(sequences.encode()).fetchall()}


def test_rows_are_as_in_a_new_database(databases: FreshDatabases, template: str, used: UsedDatabases) -> None:
    url = databases.copy(template)
    before = contents(url)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE counter SET revision = 7")
        connection.execute("INSERT INTO epoch (id, first_revision, start_time) VALUES ('here', 1, 5)")
        connection.execute("SELECT nextval(pg_get_serial_sequence('book', 'key'))")  # as a refused insert does
    assert contents(url) != before
    used.leave(url)
    assert used.take() == url
    assert contents(url) == before
    assert used.take() is None


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE book ADD COLUMN shelf text",
        "ALTER TABLE book ALTER COLUMN title DROP NOT NULL",
        "ALTER TABLE book RENAME COLUMN title TO name",
        "CREATE TABLE shelf (number integer)",
        "CREATE FUNCTION fail() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DROP INDEX book_state_key",
        "CREATE SCHEMA shelf",
        "CREATE SEQUENCE revisions",
        'CREATE COLLATION here FROM "C"',
        "CREATE RULE nothing AS ON INSERT TO book DO INSTEAD NOTHING",
        "ALTER TABLE book ALTER COLUMN title SET DEFAULT 'Emma'",
        "DROP INDEX book_state_key; CREATE INDEX book_state_key ON book (state, key) WHERE state = 7",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' CONNECTION LIMIT 7'; END $$",
        "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET work_mem = 64'; END $$",
    ],
)
def test_another_schema_or_setting_is_not_used_again(
    databases: FreshDatabases, template: str, used: UsedDatabases, change: str
) -> None:
    url = databases.copy(template)
    with psycopg.connect(url) as connection:
        connection.execute(change.encode())
    used.leave(url)
    assert used.take() is None


def test_a_database_in_use_is_not_used_again(databases: FreshDatabases, template: str, used: UsedDatabases) -> None:
    url = databases.copy(template)
    used.leave(url)
    with psycopg.connect(url):
        assert used.take() is None
