"""The tables of a store on PostgreSQL: read in one snapshot, and written in one transaction."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import peewee
import psycopg
from psycopg import IsolationLevel, sql

from service_kit.backup.contents import loading_order
from service_kit.backup.folder import BackupError
from service_kit.database_urls import UnreadableUrl, checked_url
from service_kit.store import OWN_TABLES, Store
from service_kit.store_checks import HISTORY

ROWS_AT_A_TIME = 1_000
CONNECT_SECONDS = 10

Progress = Callable[[int, int], object]
"""Called from time to time with the number of rows that are done, and of all rows."""


@contextlib.contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection without limits of time, for statements that take as long as the store is large.

    Raises BackupError, without the password in the URL.
    """
    safe = unlimited_store(url)
    try:
        with psycopg.connect(safe.url, connect_timeout=CONNECT_SECONDS, client_encoding="utf8") as connection:
            connection.execute(NO_TIME_LIMITS)
            connection.commit()
            yield connection
    except psycopg.Error as error:
        raise BackupError(f"the store {safe.safe_url}: {safe.said(error)}") from error


def unlimited_store(url: str) -> Store:
    """Return a store without a pool, whose connections have the server's own limits. Nothing is connected yet.

    Raises BackupError where the URL cannot be read.
    """
    try:
        url = checked_url(url)
    except UnreadableUrl as error:
        raise BackupError(str(error)) from None
    return Store(
        peewee.PostgresqlDatabase(url, prefer_psycopg3=True, connect_timeout=CONNECT_SECONDS, client_encoding="utf8"),
        url,
    )


NO_TIME_LIMITS = (
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN "
    "('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')"
)
"""Lifts the limits that an operator may have set for a role or a database. Not all servers have the last one."""


def begin_snapshot(connection: psycopg.Connection[Any]) -> None:
    """Let all statements until the end of the transaction see one moment."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    connection.execute("SELECT 1")


def tables_of(connection: psycopg.Connection[Any]) -> list[str]:
    """The tables of the store."""
    return sorted(name for (name,) in connection.execute(OWN_TABLES))


def applied_migrations(connection: psycopg.Connection[Any], tables: list[str]) -> list[str]:
    """Return the migrations that were applied to the store."""
    if HISTORY not in tables:
        return []
    return sorted(name for (name,) in connection.execute(f"SELECT name FROM {HISTORY}"))


def columns_of(connection: psycopg.Connection[Any], table: str) -> dict[str, str]:
    """Return the columns that are stored, and not computed, and their types."""
    found = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass "
        "AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        (sql.Identifier(table).as_string(connection),),
    )
    return dict(found.fetchall())


def count_rows(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


def rows_of(connection: psycopg.Connection[Any], table: str, columns: list[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a table, some at a time, with values as SQLite has them."""
    statement = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table)
    )
    with connection.cursor(name="backup", binary=True) as cursor:
        cursor.itersize = ROWS_AT_A_TIME
        cursor.execute(statement)
        while rows := cursor.fetchmany(ROWS_AT_A_TIME):
            yield [tuple(map(_for_sqlite, row)) for row in rows]


def _for_sqlite(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, decimal.Decimal, uuid.UUID)):
        return str(value)
    return value


def write_rows(
    connection: psycopg.Connection[Any], table: str, columns: dict[str, str], rows: Iterator[tuple[Any, ...]]
) -> None:
    """Put rows from a SQLite file into a table, instead of those that are in it."""
    name = sql.Identifier(table)
    connection.execute(sql.SQL("DELETE FROM {}").format(name))
    copy_in = sql.SQL("COPY {} ({}) FROM STDIN").format(name, sql.SQL(", ").join(map(sql.Identifier, columns)))
    truths = [kind == "boolean" for kind in columns.values()]
    with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
        for row in rows:
            copy.write_row(
                [
                    bool(value) if truth and value is not None else value
                    for value, truth in zip(row, truths, strict=True)
                ]
            )


def loading_order_of(connection: psycopg.Connection[Any], tables: list[str]) -> list[str]:
    """The tables in the order in which they can be written."""
    triggers = connection.execute(
        "SELECT tgrelid::regclass::text, pg_get_functiondef(tgfoid) FROM pg_trigger JOIN pg_class ON tgrelid = "
        "pg_class.oid WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
    )
    return loading_order(tables, [(table.strip('"'), text) for table, text in triggers])


def set_sequences(connection: psycopg.Connection[Any], table: str) -> None:
    """Set the sequence of the table to continue after its rows."""
    identifier = sql.Identifier(table).as_string(connection)
    for column in columns_of(connection, table):
        row = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", (identifier, column)).fetchone()
        if row is not None and row[0] is not None:
            connection.execute(
                sql.SQL("SELECT setval({}::regclass, coalesce(max({}), 1), max({}) IS NOT NULL) FROM {}").format(
                    sql.Literal(row[0]), sql.Identifier(column), sql.Identifier(column), sql.Identifier(table)
                )
            )


def other_sessions(connection: psycopg.Connection[Any]) -> int:
    """Return the number of other sessions of clients."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL"
    ).fetchone()
    assert row is not None
    return int(row[0])


def move_away(connection: psycopg.Connection[Any], schema: str) -> None:
    """Move all tables, views, sequences and functions of the store into a new schema.

    What belongs to extensions stays.
    """
    identifier = sql.Identifier(schema)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(identifier))
    kinds = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE"}
    objects = connection.execute(
        "SELECT relkind::text, oid::regclass::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
        "AND relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT EXISTS (SELECT FROM pg_depend WHERE "
        "classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype IN ('e', 'a', 'i') "
        "AND (deptype = 'e' OR relkind = 'S'))"
    ).fetchall()
    functions = connection.execute(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace "
        "AND prokind IN ('f', 'p') AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass "
        "AND objid = pg_proc.oid AND deptype = 'e')"
    ).fetchall()
    moved = [(kinds[kind], name) for kind, name in objects] + [("ROUTINE", name) for (name,) in functions]
    for kind, name in moved:
        # The names are written by the server, quoted where they have to be.
        connection.execute(f"ALTER {kind} {name} SET SCHEMA {identifier.as_string(connection)}".encode())
