"""Stores of before books had subtitles, identifiers and the like: 0019 of the admin and 0015 of the frontend."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from admin_server.store.models import Book as AdminBook
from frontend_server.browse import catalog
from frontend_server.store.models import Book as FrontendBook
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.v1.book_pb2 import (
    BOOK_STATE_ACTIVE,
    IDENTIFIER_TYPE_EAN,
    Book,
    Contributor,
    Identifier,
)
from service_kit.ids import new_id
from service_kit.migrations import migrate
from service_kit.store import Store, open_store
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.stores import Engine, FreshDatabases, ServerName, bound_store, migrations_of

FIRST = {"admin": "0019", "frontend": "0015"}
"""The migration that is new to the store."""


def store_of_before(server: ServerName, databases: FreshDatabases, engine: Engine, folder: Path) -> str:
    """Return the URL of a store with the tables of before books had these fields."""
    url = databases.empty(engine)
    for file in migrations_of(server).glob("*.py"):
        if file.stem < FIRST[server]:
            shutil.copy(file, folder)
    store = open_store(url)
    migrate(store, folder)
    store.close()
    return url


def insert(store: Store, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = ", ".join(rows[0])
    marks = ", ".join([store.database.param] * len(rows[0]))
    for row in rows:
        store.database.execute_sql(f"INSERT INTO book ({columns}) VALUES ({marks})", tuple(row.values()))


def test_the_books_of_an_admin_stay_as_they_are(databases: FreshDatabases, engine: Engine, tmp_path: Path) -> None:
    url = store_of_before("admin", databases, engine, tmp_path)
    common = {"language": "en", "published_year": 1815, "page_count": 9, "description": "d", "cover_uri": ""}
    common |= {"total_copies": 1, "lendable_copies": 1, "on_loan": 0, "create_time": 1, "update_time": 2}
    ids = [new_id() for _ in range(3)]
    rows = [
        {
            **common,
            "id": book_id,
            "title": f"Emma {number}",
            "authors": '["Jane Austen"]',
            "isbn": "",
            "state": number + 1,
            "publisher": "Ace",
            "category": "Fiction",
            "publisher_key": "ace\x01",
            "category_key": "fiction\x01",
            "words": f"emma {number} jane austen",
            "title_key": number,
            "revision": number + 1,
        }
        for number, book_id in enumerate(ids)
    ]
    store = open_store(url)
    with store.writing():
        insert(store, rows)
        store.database.execute_sql(f"UPDATE counter SET revision = {len(rows)}")
    before = store.database.execute_sql(f"SELECT {', '.join(rows[0])} FROM book ORDER BY key").fetchall()
    migrate(store, migrations_of("admin"))
    after = store.database.execute_sql(f"SELECT {', '.join(rows[0])} FROM book ORDER BY key").fetchall()
    assert after == before
    store.close()
    with bound_store("admin", url) as store:
        admin = Admin(store, SettableClock())
        book = admin.get(ids[0])
        assert (book.title, list(book.subjects), book.format, list(book.origins)) == ("Emma 0", [], "", [])
        assert admin.titles(query="emma austen", publisher=["ace"]) == ["Emma 0", "Emma 1"]
        changed = admin.update(Book(id=ids[0], subjects=["Villages"], format="Book"), "subjects", "format")
        assert list(changed.subjects) == ["Villages"]
        assert admin.titles(query="villages emma", format=["BOOK"]) == ["Emma 0"]
        [outcome] = admin.import_rows(AddBookRequest(title="New"))
        assert AdminBook.get(AdminBook.id == outcome.book_id).origins == "{}"


def frontend_rows(books: Sequence[Book]) -> list[dict[str, Any]]:
    """Return the rows of books as a frontend has stored them that did not know the new fields."""
    return [
        {
            "id": book.id,
            "message": book.SerializeToString(),
            "title": book.title,
            "publisher": book.publisher,
            "category": book.category,
            "total_copies": 1,
            "free_copies": 1,
            "on_loan": 0,
            "state": BOOK_STATE_ACTIVE,
            "words": book.title.lower(),
            "publisher_key": "",
            "category_key": "",
            "revision": number,
            "generation": 1,
        }
        for number, book in enumerate(books, 1)
    ]


def test_fields_that_a_newer_admin_has_sent_are_found_after_the_upgrade(
    databases: FreshDatabases, engine: Engine, tmp_path: Path
) -> None:
    url = store_of_before("frontend", databases, engine, tmp_path)
    common: dict[str, Any] = {"state": BOOK_STATE_ACTIVE, "total_copies": 1}
    plain = Book(id=new_id(), title="Emma", **common)
    game = Book(
        id=new_id(),
        title="Chess",
        subtitle="Gambits",
        subjects=["Strategies"],
        identifiers=[Identifier(type=IDENTIFIER_TYPE_EAN, value="4006381333931")],
        contributors=[Contributor(name="Reinhard Heinz", role="translator")],
        format="Board game",
        **common,
    )
    damaged = {**frontend_rows([Book(id=new_id(), title="Damaged")])[0], "message": b"\xff\xff", "revision": 9}
    many = [Book(id=new_id(), title=f"Title {number}", format="DVD", **common) for number in range(1_001)]
    store = open_store(url)
    with store.writing():
        insert(store, [*frontend_rows([plain, game, *many]), damaged])
    migrate(store, migrations_of("frontend"))
    store.close()
    with bound_store("frontend", url) as store:

        def titles(**filters: Any) -> list[str]:
            request = ListBooksRequest(include_unavailable=True, **filters)
            return [book.title for book in catalog.list_books(store, request).books]

        assert titles(format=["board GAME"]) == ["Chess"]
        for query in (
            "gambits",
            "strategies",
            "4006381333931",
            "heinz",
            "strategeis",
        ):  # the last one by the vocabulary
            assert titles(query=query) == ["Chess"], query
        assert titles(query="emma") == ["Emma"]
        assert FrontendBook.select().where(FrontendBook.format_key == "dvd\x01").count() == len(many)
        found = catalog.get_book(store, GetBookRequest(id=game.id).id)
        assert (found.format, found.contributors[0].name) == ("Board game", "Reinhard Heinz")
