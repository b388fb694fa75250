"""Imports have runs, whose rows are applied once and can be taken back; books are found by title and first author."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import peewee

from library_domain.titles import title_identity, title_key

BATCH = 1_000

TABLES = {
    "import_run": """
        key {key}, id VARCHAR(36) NOT NULL UNIQUE, source TEXT NOT NULL, on_duplicate SMALLINT NOT NULL,
        match_title SMALLINT NOT NULL, create_time BIGINT NOT NULL, update_time BIGINT NOT NULL, undo_time BIGINT,
        added INTEGER NOT NULL, updated INTEGER NOT NULL, copies_added INTEGER NOT NULL, already_there INTEGER NOT NULL
    """,
    "import_row": """
        run BIGINT NOT NULL, line INTEGER NOT NULL, digest BIGINT NOT NULL, result SMALLINT NOT NULL,
        book_id VARCHAR(36) NOT NULL, PRIMARY KEY (run, line)
    """,
    "import_book": """
        run BIGINT NOT NULL, book_id VARCHAR(36){collation} NOT NULL, is_added SMALLINT NOT NULL, before TEXT NOT NULL,
        etag TEXT NOT NULL, is_undone SMALLINT NOT NULL, PRIMARY KEY (run, book_id)
    """,
}


def up(migrator: object, db: peewee.Database) -> None:
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    if is_postgresql:
        db.execute_sql("SET LOCAL statement_timeout = 0")  # a million books take their time
    key = "BIGSERIAL PRIMARY KEY" if is_postgresql else "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
    collation = ' COLLATE "C"' if is_postgresql else ""
    clustered = "" if is_postgresql else " WITHOUT ROWID"
    for table, columns in TABLES.items():
        ending = "" if table == "import_run" else clustered
        db.execute_sql(f"CREATE TABLE {table} ({columns.format(key=key, collation=collation)}){ending}")
    db.execute_sql("ALTER TABLE book ADD COLUMN title_key BIGINT NOT NULL DEFAULT 0")
    fill(db)
    db.execute_sql("CREATE INDEX book_by_title ON book (title_key) WHERE state <> 3")


def fill(db: peewee.Database) -> None:
    """Compute the key of every book's title and first author, some books at a time."""
    update = f"UPDATE book SET title_key = {db.param} WHERE key = {db.param}"
    for batch in batches(db):
        rows = [(title_key(title_identity(text(title), names(authors))), key) for key, title, authors in batch]
        db.cursor().executemany(update, rows)


def batches(db: peewee.Database) -> Iterator[list[Any]]:
    """Yield all books, some at a time: key, title, authors. On SQLite as bytes, as a damaged text cannot be decoded."""
    columns = (
        "title, authors" if isinstance(db, peewee.PostgresqlDatabase) else "CAST(title AS BLOB), CAST(authors AS BLOB)"
    )
    last = 0
    query = f"SELECT key, {columns} FROM book WHERE key > {db.param} ORDER BY key LIMIT {BATCH}"
    while rows := db.execute_sql(query, (last,)).fetchall():
        last = rows[-1][0]
        yield rows


def text(value: Any) -> str:
    """Return a stored text; of a damaged one, what can be read."""
    return value if isinstance(value, str) else bytes(value).decode(errors="replace")


def names(authors: Any) -> list[str]:
    """Return the authors; none of a damaged row."""
    try:
        found = json.loads(text(authors))
    except ValueError:
        return []
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
