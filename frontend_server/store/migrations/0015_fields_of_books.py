"""A column for the filter by format, and the words of further fields of books.

An admin of a newer version may have sent these fields already. The replica keeps them in the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import peewee
from google.protobuf.message import DecodeError

from library.v1.book_pb2 import Book
from library_domain.search import words_of_book
from service_kit.text.keys import text_key
from service_kit.vocabulary import LearnedWords

BATCH = 1_000

FIELDS = ("subtitle", "series", "subjects", "identifiers", "contributors", "format")
"""The new fields that are searched or filtered by."""

LEFT_OUT = "(state <> 3 AND NOT (state = 1 AND free_copies > 0))"


def up(migrator: object, db: peewee.Database) -> None:
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    if is_postgresql:
        db.execute_sql("SET LOCAL statement_timeout = 0")  # an index over a million books takes its time
    collation = ' COLLATE "C"' if is_postgresql else ""
    db.execute_sql(f"ALTER TABLE book ADD COLUMN format_key TEXT{collation} NOT NULL DEFAULT ''")
    fill(db)
    for statement in (
        "CREATE INDEX book_by_format ON book (format_key, key)",
        "CREATE INDEX book_by_publisher_format ON book (publisher_key, format_key, key)",
        "CREATE INDEX book_by_category_format ON book (category_key, format_key, key)",
        f"CREATE INDEX book_left_out_by_format ON book (format_key, key) WHERE {LEFT_OUT}",
    ):
        db.execute_sql(statement)


def fill(db: peewee.Database) -> None:
    """Compute the columns of the books that have new fields, and learn their words."""
    mark = db.param
    update = f"UPDATE book SET words = {mark}, format_key = {mark} WHERE key = {mark}"
    learn = f"INSERT INTO vocabulary (word, mirrored) VALUES ({mark}, {mark}) ON CONFLICT DO NOTHING"
    learned = LearnedWords()
    for batch in batches(db):
        words = [words_of_book(book) for _, book in batch]
        rows = [(" ".join(found), text_key(book.format), key) for found, (key, book) in zip(words, batch, strict=True)]
        db.cursor().executemany(update, rows)
        new = learned.new(word for found in words for word in found)
        db.cursor().executemany(learn, [(word, word[::-1]) for word in sorted(new)])
        learned.remember(new)


def batches(db: peewee.Database) -> Iterator[list[tuple[int, Book]]]:
    """Yield the books that have new fields, some at a time. A damaged message has none that can be read."""
    last = 0
    query = f"SELECT key, message FROM book WHERE key > {db.param} ORDER BY key LIMIT {BATCH}"
    while rows := db.execute_sql(query, (last,)).fetchall():
        last = rows[-1][0]
        books = [(key, book) for key, message in rows if (book := _book(message)) is not None]
        if found := [(key, book) for key, book in books if any(getattr(book, name) for name in FIELDS)]:
            yield found


def _book(message: Any) -> Book | None:
    try:
        return Book.FromString(bytes(message))
    except (DecodeError, TypeError, ValueError):
        return None
