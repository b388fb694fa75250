"""A poll with nothing new writes nothing, on either side, and reads no book: else it would cost more with each book."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from admin_server.intake.imports import import_books
from admin_server.store.models import (
    ApiToken,
    Book,
    Branch,
    Calendar,
    CirculationRule,
    Item,
    LibrarySettings,
    StaffRole,
)
from frontend_server.members.members import enroll_user
from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Library, Side

BOOKS = 600
LISTED = (Book, Item, Branch, Calendar, CirculationRule, LibrarySettings, StaffRole, ApiToken)


@pytest.fixture(scope="module")
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine)
    with library.admin.at_work() as store:
        rows = [ImportBooksRequest(line=i, book=AddBookRequest(title=f"Book {i}")) for i in range(1, BOOKS + 1)]
        import_books(store, rows, library.clock)
    with library.frontend.at_work() as store:
        request = EnrollUserRequest(email="rita@example.org", first_name="Rita", last_name="Reader")
        enroll_user(store, request, library.clock)
    library.sync()
    for side in (library.admin, library.frontend):
        side.store.database.execute_sql("ANALYZE")
    yield library
    library.close()


def test_an_idle_poll_writes_nothing(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    before = library.admin.contents(), library.frontend.contents()
    with caplog.at_level(logging.DEBUG, logger="peewee"):
        assert library.pull() == 0
        assert library.push() == 0
    statements = [str(record.msg).lower() for record in caplog.records]
    assert any("from" in statement and "sync_state" in statement for statement in statements), "nothing was seen"
    assert not [each for each in statements if any(verb in each for verb in ("insert ", "update ", "delete "))]
    assert (library.admin.contents(), library.frontend.contents()) == before


def test_an_idle_poll_reads_no_book(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="peewee"):
        for side in (library.admin, library.frontend):
            read = books_read(side)
            library.pull()
            library.push()
            # Where it asks for what lies past the end of an index, PostgreSQL's planner looks up the last entry.
            assert books_read(side) - read <= 2
    statements: list[tuple[str, Any]] = [record.msg for record in caplog.records if isinstance(record.msg, tuple)]
    of_books = [sql for sql, _ in statements if '"book"' in sql]
    assert len(of_books) == 2, "one look at the admin for each pull, and none at the frontend"
    if not library.admin.store.is_postgresql:  # which does not count the rows that it reads: so, ask for its plan
        for model in LISTED:
            (sql, parameters), _ = [each for each in statements if f'FROM "{model._meta.table_name}"' in each[0]]
            plan = library.admin.store.database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
            [step] = [str(row[-1]) for row in plan]
            assert re.fullmatch(r"SEARCH t1 USING COVERING INDEX \w+_revision \(revision>\? AND revision<\?\)", step)
            assert not library.admin.store.database.execute_sql(sql, parameters).fetchall()


def books_read(side: Side) -> int:
    """How many rows of the book table have ever been read, as PostgreSQL counts; 0 on SQLite."""
    if not side.store.is_postgresql:
        return 0
    with side.store.reading():
        side.store.database.execute_sql("SELECT pg_stat_force_next_flush()")
        side.store.database.execute_sql("SELECT 1")
        sql = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'book'"
        return int(side.store.database.execute_sql(sql).fetchone()[0])
