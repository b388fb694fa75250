"""Words of all scripts, prefixes and typing errors; keys of publishers and categories.

Every book's words are computed again and the index over them is made again: on SQLite it was without prefixes, and on
PostgreSQL it went through the text parser of the database. The texts themselves stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import peewee

from library_domain.search import book_words
from service_kit.full_text import create_word_index, drop_word_index
from service_kit.text.keys import text_key
from service_kit.vocabulary import LearnedWords, create_vocabulary

BATCH = 1_000

DROPPED = ("book_publisher_key", "book_category_key", "book_publisher_category_key")
"""The indexes of 0001 over the texts as they came."""


def up(migrator: object, db: peewee.Database) -> None:
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    if is_postgresql:
        db.execute_sql("SET LOCAL statement_timeout = 0")  # an index over a million books takes its time
    collation = ' COLLATE "C"' if is_postgresql else ""
    for column in ("publisher_key", "category_key"):
        db.execute_sql(f"ALTER TABLE book ADD COLUMN {column} TEXT{collation} NOT NULL DEFAULT ''")
    create_vocabulary(db)
    drop_word_index(db, "book", "words")
    for index in DROPPED:
        db.execute_sql(f"DROP INDEX {index}")
    fill(db)
    create_word_index(db, "book", "key", "words")
    for statement in (
        "CREATE INDEX book_by_publisher ON book (publisher_key, key)",
        "CREATE INDEX book_by_category ON book (category_key, key)",
        "CREATE INDEX book_by_publisher_category ON book (publisher_key, category_key, key)",
    ):
        db.execute_sql(statement)
    if is_postgresql:
        db.execute_sql("ANALYZE book")


def fill(db: peewee.Database) -> None:
    """Compute the new columns and the vocabulary, some books at a time."""
    mark = db.param
    update = f"UPDATE book SET words = {mark}, publisher_key = {mark}, category_key = {mark} WHERE key = {mark}"
    learn = f"INSERT INTO vocabulary (word, mirrored) VALUES ({mark}, {mark}) ON CONFLICT DO NOTHING"
    learned = LearnedWords()
    for batch in batches(db):
        words = [book_words(title, authors, isbn) for _, title, authors, isbn, _, _ in batch]
        rows = [
            (" ".join(found), text_key(publisher), text_key(category), key)
            for found, (key, _, _, _, publisher, category) in zip(words, batch, strict=True)
        ]
        db.cursor().executemany(update, rows)
        new = learned.new(word for found in words for word in found)
        db.cursor().executemany(learn, [(word, word[::-1]) for word in sorted(new)])
        learned.remember(new)


def batches(db: peewee.Database) -> Iterator[list[Any]]:
    """Yield all books, some at a time: key, title, authors, ISBN, publisher, category."""
    last = 0
    columns = "key, title, authors, isbn, publisher, category"
    query = f"SELECT {columns} FROM book WHERE key > {db.param} ORDER BY key LIMIT {BATCH}"
    while rows := db.execute_sql(query, (last,)).fetchall():
        last = rows[-1][0]
        yield [(key, title, json.loads(authors), *rest) for key, title, authors, *rest in rows]
