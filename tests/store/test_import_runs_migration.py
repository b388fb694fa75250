"""Stores of before imports had runs are brought to the schema that has them: `0009_import_runs` of the admin."""

from __future__ import annotations

import shutil
from pathlib import Path

from admin_server.intake import imports
from admin_server.store.models import Book
from admin_server.sync.epochs import begin_epoch
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    AddBookRequest,
    ImportBooksRequest,
    ImportOptions,
)
from service_kit.ids import new_id
from service_kit.migrations import migrate
from service_kit.store import open_store
from tests.support.clocks import SettableClock
from tests.support.stores import Engine, FreshDatabases, bound_store, migrations_of

BOOKS = [("Émile", '["Jean-Jacques Rousseau"]'), ("Émile", "no JSON"), ("Émile", "[1]"), ("Candide", "[]")]
COLUMNS = "isbn, publisher, category, language, description, cover_uri, words, publisher_key, category_key"


def test_books_of_before_are_recognized_by_title(
    databases: FreshDatabases, engine: Engine, tmp_path: Path, clock: SettableClock
) -> None:
    url = databases.empty(engine)
    for file in migrations_of("admin").glob("000[1-8]*.py"):
        shutil.copy(file, tmp_path)
    store = open_store(url)
    migrate(store, tmp_path)
    with store.writing():
        for number, (title, authors) in enumerate(BOOKS, 1):
            names = f"id, title, authors, {COLUMNS}, published_year, page_count, total_copies, state, create_time, "
            values = [new_id(), title, authors, *[""] * 9, 0, 0, 1, 1, 1, 1, number, 0]
            marks = ", ".join([store.database.param] * len(values))
            store.database.execute_sql(
                f"INSERT INTO book ({names} update_time, revision, on_loan) VALUES ({marks})", values
            )
        if not store.is_postgresql:
            store.database.execute_sql("UPDATE book SET title = CAST(x'C3' AS TEXT) WHERE revision = 2")
        store.database.execute_sql("UPDATE counter SET revision = 4")
    store.close()
    store = open_store(url)
    assert migrate(store, migrations_of("admin"))[:1] == ["0009_import_runs"]
    store.close()
    with bound_store("admin", url) as store:
        begin_epoch(store, clock)
        rows = [
            AddBookRequest(title="emile", authors=["jean jacques rousseau"]),
            AddBookRequest(title="CANDIDE"),
            AddBookRequest(title="Candide", authors=["Voltaire"]),
        ]
        stream = [
            ImportBooksRequest(line=line, book=row, options=ImportOptions(run_id=new_id(), match_title=True))
            for line, row in enumerate(rows, 1)
        ]
        for row in stream:
            row.options.run_id = stream[0].options.run_id
        outcomes = imports.import_books(store, stream, clock)
        assert [outcome.result for outcome in outcomes] == [
            IMPORT_RESULT_ALREADY_THERE, IMPORT_RESULT_ALREADY_THERE, IMPORT_RESULT_ADDED,
        ]  # fmt: skip
        with store.reading():
            assert Book.select().count() == 5
