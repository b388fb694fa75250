"""Columns for further fields of books, for the origins of values, and the filter by format.

Books of before have none of these, so their words stay as they are.
"""

from __future__ import annotations

import peewee

TEXTS = ("subtitle", "edition", "series", "volume", "format")
LISTS = ("subjects", "identifiers", "contributors")


def up(migrator: object, db: peewee.Database) -> None:
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    if is_postgresql:
        db.execute_sql("SET LOCAL statement_timeout = 0")  # an index over a million books takes its time
    for column in TEXTS:
        db.execute_sql(f"ALTER TABLE book ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
    for column in LISTS:
        db.execute_sql(f"ALTER TABLE book ADD COLUMN {column} TEXT NOT NULL DEFAULT '[]'")
    db.execute_sql("ALTER TABLE book ADD COLUMN origins TEXT NOT NULL DEFAULT '{}'")
    collation = ' COLLATE "C"' if is_postgresql else ""
    db.execute_sql(f"ALTER TABLE book ADD COLUMN format_key TEXT{collation} NOT NULL DEFAULT ''")
    for statement in (
        "CREATE INDEX book_by_format ON book (format_key, key)",
        "CREATE INDEX book_by_publisher_format ON book (publisher_key, format_key, key)",
        "CREATE INDEX book_by_category_format ON book (category_key, format_key, key)",
    ):
        db.execute_sql(statement)
