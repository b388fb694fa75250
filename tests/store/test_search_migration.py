"""Migration 0004 on stores that have books already: their words, keys and vocabulary are made, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from admin_server.books import listing as admin_listing
from frontend_server.browse import catalog as frontend_catalog
from library.admin.v1 import catalog_service_pb2 as admin_messages
from library.frontend.v1 import catalog_service_pb2 as frontend_messages
from library.v1.book_pb2 import Book
from service_kit.full_text import drop_word_index
from service_kit.ids import new_id
from service_kit.migrations import migrate
from service_kit.store import Store, open_store
from tests.support.stores import Engine, FreshDatabases, ServerName, bound_store, migrations_of

BOOKS = [
    ("戦争と平和の歴史", "Лев Толстой", "Wiley", "Fiction"),
    ("Gogolʹ", "O'Reilly", "WILEY ", "fiction"),
    ("Neuromancer", "William Gibson", "Ábaco", ""),
] + [(f"Title {number}", "Nobody", f"P{number % 7}", "Many") for number in range(1_100)]


@pytest.fixture(params=["admin", "frontend"])
def server(request: pytest.FixtureRequest) -> ServerName:
    name: ServerName = request.param
    return name


@pytest.fixture
def old_url(databases: FreshDatabases, engine: Engine, server: ServerName, tmp_path: Path) -> str:
    """A store of that server as it was before: the first migration, the old index, books with old words."""
    url = databases.empty(engine)
    shutil.copy(migrations_of(server) / "0001_initial.py", tmp_path)
    store = open_store(url)
    migrate(store, tmp_path)
    with store.writing():
        drop_word_index(store.database, "book", "words")
        for statement in OLD_INDEX[engine]:
            store.database.execute_sql(statement)
        insert_books(store, server)
    store.close()
    return url


INSERT_WORDS = "INSERT INTO book_words (rowid, words) VALUES (new.key, new.words);"
DELETE_WORDS = "DELETE FROM book_words WHERE rowid = old.key;"
FTS5_OPTIONS = "words, content='', contentless_delete=1, detail=none, tokenize=ascii"
OLD_INDEX: dict[Engine, list[str]] = {
    "postgresql": ["CREATE INDEX book_words ON book USING gin (to_tsvector('simple'::regconfig, words))"],
    "sqlite": [
        f"CREATE VIRTUAL TABLE book_words USING fts5({FTS5_OPTIONS})",
        f"CREATE TRIGGER book_words_insert AFTER INSERT ON book BEGIN {INSERT_WORDS} END",
        f"CREATE TRIGGER book_words_delete AFTER DELETE ON book BEGIN {DELETE_WORDS} END",
        f"CREATE TRIGGER book_words_update AFTER UPDATE OF words ON book BEGIN {DELETE_WORDS} {INSERT_WORDS} END",
    ],
}


def insert_books(store: Store, server: ServerName) -> None:
    for revision, (title, author, publisher, category) in enumerate(BOOKS, 1):
        values: dict[str, Any] = {
            "id": new_id(),
            "title": title,
            "publisher": publisher,
            "category": category,
            "total_copies": 1,
            "state": 1,
            "words": title.lower(),
            "revision": revision,
            "on_loan": 0,
        }
        if server == "frontend":
            book = Book(**{name: values[name] for name in ("id", "title", "publisher", "category", "total_copies")})
            book.authors.append(author)
            values |= {"message": book.SerializeToString(), "generation": 1}
        else:
            values |= {
                "authors": json.dumps([author]),
                "isbn": "",
                "language": "",
                "published_year": 0,
                "page_count": 0,
            }
            values |= {"description": "", "cover_uri": "", "create_time": 1, "update_time": 1, "request_digest": ""}
        marks = ", ".join([store.database.param] * len(values))
        store.database.execute_sql(f"INSERT INTO book ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


@pytest.fixture
def migrated(old_url: str, server: ServerName) -> Iterator[Store]:
    with bound_store(server, old_url) as store:
        assert "0004_search" in migrate(store, migrations_of(server))
        yield store


def titles(store: Store, server: ServerName, **filters: Any) -> list[str]:
    if server == "frontend":
        answer = frontend_catalog.list_books(store, frontend_messages.ListBooksRequest(page_size=1_000, **filters))
        return [book.title for book in answer.books]
    request = admin_messages.ListBooksRequest(page_size=1_000, **filters)
    return [book.title for book in admin_listing.list_books(store, request)[0]]


def test_books_of_an_old_store_are_found_by_the_new_rules(migrated: Store, server: ServerName) -> None:
    for query, found in {
        "平和": "戦争と平和の歴史",
        "толстой": "戦争と平和の歴史",
        "gogol": "Gogolʹ",
        "oreilly": "Gogolʹ",
        "neuro": "Neuromancer",
        "neuromanser": "Neuromancer",
        "title 1099": "Title 1099",
    }.items():
        assert titles(migrated, server, query=query) == [found], query
    assert titles(migrated, server, publisher=["wiley"]) == ["戦争と平和の歴史", "Gogolʹ"]
    assert titles(migrated, server, category=["FICTION"]) == ["戦争と平和の歴史", "Gogolʹ"]
    assert len(titles(migrated, server, category=["many"], query="nobody")) == 1_000
    assert len(titles(migrated, server, publisher=["p3", "p4"])) == len([b for b in BOOKS if b[2] in ("P3", "P4")])

    # Texts and revisions stay as they are.
    with migrated.reading():
        rows = migrated.database.execute_sql("SELECT title, publisher, category, revision FROM book ORDER BY key")
        expected = [(title, who, what, n) for n, (title, _, who, what) in enumerate(BOOKS, 1)]
        assert [tuple(row) for row in rows.fetchall()] == expected
