"""The models match what the migrations make: every column and every index.

playhouse.schema_diff compares only the names of columns and of partial indexes, so this asks the engines themselves.
Left out is how SQLite lays a table out: the order of columns, WITHOUT ROWID, AUTOINCREMENT.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import closing

import peewee
import pytest

from service_kit.full_text import create_word_index
from service_kit.migrations import migrate
from service_kit.store import OWN_TABLES, open_store
from service_kit.store_checks import HISTORY
from tests.support.stores import Engine, FreshDatabases, ServerName

POSTGRESQL_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid), collname
    FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    LEFT JOIN pg_collation ON pg_collation.oid = attcollation
    WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""


@pytest.mark.parametrize("server", ["admin", "frontend"])
def test_a_migrated_store_is_what_its_models_would_make(
    server: ServerName, engine: Engine, databases: FreshDatabases
) -> None:
    models = importlib.import_module(f"{server}_server.store.models")
    with closing(open_store(databases.empty(engine))) as store:
        migrate(store, models.MIGRATIONS)
        migrated = set(_schema(store.database))
    with closing(open_store(databases.empty(engine))) as store, store.database.bind_ctx(models.MODELS):
        store.database.create_tables(models.MODELS)
        for column in models.WORD_INDEXES:
            create_word_index(store.database, column.model._meta.table_name, "key", column.column_name)
        made = set(_schema(store.database))
    assert len(made) > 60
    assert migrated == made


def _schema(database: peewee.Database) -> Iterator[tuple[object, ...]]:
    """Yield each column and each index of each table, but for the list of migrations."""
    read = _postgresql_table if isinstance(database, peewee.PostgresqlDatabase) else _sqlite_table
    own = (
        OWN_TABLES
        if isinstance(database, peewee.PostgresqlDatabase)
        else ("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    )
    for (table,) in database.execute_sql(own).fetchall():
        if table != HISTORY:
            for line in read(database, table):
                yield (table, *line)


def _postgresql_table(database: peewee.Database, table: str) -> Iterator[tuple[object, ...]]:
    yield from database.execute_sql(POSTGRESQL_COLUMNS, (table,)).fetchall()
    yield from database.execute_sql(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass", (table,)
    ).fetchall()


def _sqlite_table(database: peewee.Database, table: str) -> Iterator[tuple[object, ...]]:
    for _, name, kind, *column in database.execute_sql(f"PRAGMA table_xinfo({table})").fetchall():
        yield name, "INTEGER" if "INT" in kind else kind, *column  # to SQLite all integers are of one kind
    for _, index, *properties in database.execute_sql(f"PRAGMA index_list({table})").fetchall():
        parts = database.execute_sql(f"PRAGMA index_xinfo({index})").fetchall()
        statements = database.execute_sql("SELECT sql FROM sqlite_schema WHERE name = ?", (index,)).fetchall()
        statement = (statements[0][0] if statements else None) or ""
        # SQLite keeps the text as it was written. Where brackets matter, PostgreSQL sees the difference.
        condition = re.sub(r'[\s()"]', "", statement.partition(" WHERE ")[2])
        yield (
            index,
            *properties,
            condition,
            *(tuple(part[2:]) for part in parts if part[-1]),
        )  # those that are searched by
    yield from database.execute_sql("SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?", (table,))
