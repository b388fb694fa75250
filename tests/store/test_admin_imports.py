"""Bulk import on both engines: each row has its outcome, and a bad one delays no other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from admin_server.intake import imports
from admin_server.intake.imports import LIMITS, ImportLimits
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_REFUSED,
    AddBookRequest,
    ImportBooksRequest,
    ImportOutcome,
)
from library_domain.errors import ImportTooLong
from tests.support.admin import Admin
from tests.support.isbns import isbn13

ADDED, THERE, REFUSED = IMPORT_RESULT_ADDED, IMPORT_RESULT_ALREADY_THERE, IMPORT_RESULT_REFUSED


EMMA = AddBookRequest(title="Emma", isbn="978-0-14-143958-7", copies=3)


def test_good_rows_are_imported_and_each_bad_one_is_reported_with_its_reason(admin: Admin) -> None:
    outcomes = admin.import_rows(
        EMMA,
        AddBookRequest(title="", copies=-1, page_count=-1),
        AddBookRequest(title="Wrong digit", isbn="9780141439588"),
        AddBookRequest(title="Both", language="x" * 36, isbn="12"),
        AddBookRequest(title="a\x00b", authors=["", "ok"]),
        AddBookRequest(title="No ISBN"),
    )
    assert [outcome.line for outcome in outcomes] == [1, 2, 3, 4, 5, 6]
    assert [outcome.result for outcome in outcomes] == [ADDED, REFUSED, REFUSED, REFUSED, REFUSED, ADDED]
    assert [[problem.field for problem in outcome.problems] for outcome in outcomes] == [
        [],
        ["title", "page_count", "copies"],
        ["isbn"],
        ["language", "isbn"],
        ["authors[0]", "title"],
        [],
    ]
    assert all(problem.description for outcome in outcomes for problem in outcome.problems)
    assert [bool(outcome.book_id) for outcome in outcomes] == [True, False, False, False, False, True]
    assert admin.titles() == ["Emma", "No ISBN"]
    assert admin.get(outcomes[0].book_id).total_copies == 3
    assert admin.titles(query="0141439580") == ["Emma"]


def test_an_isbn_in_the_catalogue_or_in_an_earlier_row_is_not_doubled(admin: Admin) -> None:
    there = admin.add("Emma", isbn="9780141439587")
    other = AddBookRequest(title="Other", isbn="9780306406157")
    outcomes = admin.import_rows(EMMA, other, AddBookRequest(title="Other again", isbn="0-306-40615-2"))
    assert [outcome.result for outcome in outcomes] == [THERE, ADDED, THERE]
    assert [outcome.book_id for outcome in outcomes] == [there.id, outcomes[1].book_id, outcomes[1].book_id]
    assert admin.titles() == ["Emma", "Other"]


def test_an_earlier_row_is_remembered_over_batches(admin: Admin) -> None:
    count = LIMITS.batch_rows + 10
    books = [AddBookRequest(title=f"T{number}", isbn=isbn13(number)) for number in range(count)]
    dry = admin.import_rows(*books, books[3], validate_only=True)
    assert [outcome.result for outcome in dry] == [ADDED] * count + [THERE]
    first = admin.import_rows(*books, books[3])
    assert [outcome.result for outcome in first] == [ADDED] * count + [THERE]
    assert first[-1].book_id == first[3].book_id
    again = admin.import_rows(*books)
    assert [outcome.result for outcome in again] == [THERE] * count
    assert [outcome.book_id for outcome in again] == [outcome.book_id for outcome in first[:-1]]
    assert len(admin.books(page_size=1_000)) == count


def test_a_removed_books_isbn_can_be_imported(admin: Admin) -> None:
    admin.remove(admin.add("Emma", isbn="9780141439587").id)
    assert [outcome.result for outcome in admin.import_rows(EMMA)] == [ADDED]


def test_a_dry_run_reports_the_same_and_adds_nothing(admin: Admin) -> None:
    admin.add("There", isbn="9780306406157")
    before, cursor = admin.changes()
    rows = [
        EMMA,
        AddBookRequest(title="There", isbn="9780306406157"),
        AddBookRequest(title="Emma again", isbn="0141439580"),
        AddBookRequest(),
    ]
    dry = admin.import_rows(*rows, validate_only=True)
    assert [outcome.result for outcome in dry] == [ADDED, THERE, THERE, REFUSED]
    assert not dry[0].book_id
    assert admin.titles() == ["There"]
    assert admin.changes(cursor) == ([], cursor)
    assert admin.changes()[0] == before
    wet = admin.import_rows(*rows)
    assert [outcome.result for outcome in wet] == [outcome.result for outcome in dry]


def test_each_imported_book_is_a_change_of_its_own_in_the_order_of_the_rows(admin: Admin) -> None:
    count = LIMITS.batch_rows + 10
    admin.import_rows(*(AddBookRequest(title=f"T{number}") for number in range(count)))
    changes, _ = admin.changes()
    assert [change.book.title for change in changes] == [f"T{number}" for number in range(count)]
    revisions = [change.revision for change in changes]
    assert revisions == sorted(set(revisions))


def test_what_is_past_the_limit_is_refused_and_what_came_before_is_in(admin: Admin) -> None:
    limits = ImportLimits(rows=7, batch_rows=5)
    asked_for = []

    def rows(count: int) -> Iterator[ImportBooksRequest]:
        for number in range(count):
            asked_for.append(number)
            yield ImportBooksRequest(line=number, book=AddBookRequest(title=f"T{number}"))

    assert len(imports.import_books(admin.store, rows(7), admin.clock, limits)) == 7
    asked_for.clear()
    with pytest.raises(ImportTooLong, match="7 rows"):
        imports.import_books(admin.store, rows(100), admin.clock, limits)
    assert len(asked_for) == 8
    assert len(admin.titles()) == 14


def test_a_stream_that_breaks_leaves_whole_batches(admin: Admin) -> None:
    def rows() -> Iterator[ImportBooksRequest]:
        for number in range(8):
            yield ImportBooksRequest(line=number, book=AddBookRequest(title=f"T{number}"))
        raise ConnectionError("the client went away")

    with pytest.raises(ConnectionError):
        imports.import_books(admin.store, rows(), admin.clock, ImportLimits(batch_rows=5))
    assert admin.titles() == [f"T{number}" for number in range(5)]


def test_a_stream_of_500_rows_and_4_mb_is_all_or_nothing(admin: Admin) -> None:
    """The command relies on it, to report what is in."""
    row = ImportBooksRequest(line=1, book=AddBookRequest(title="Large", description="x" * 9_900))
    count = LIMITS.batch_bytes // row.ByteSize()
    assert (LIMITS.batch_rows, LIMITS.batch_bytes) == (500, 4_000_000)
    for number, each in ((count, row), (499, ImportBooksRequest(book=AddBookRequest(title="Small")))):

        def rows(number: int = number, each: ImportBooksRequest = each) -> Iterator[ImportBooksRequest]:
            yield from [each] * number
            raise ConnectionError("the client went away")

        with pytest.raises(ConnectionError):
            imports.import_books(admin.store, rows(), admin.clock)
        assert admin.titles() == []


def test_nothing_at_all_can_be_imported(admin: Admin) -> None:
    assert admin.import_rows() == []


def test_two_imports_of_the_same_books_at_the_same_time_add_each_once(admin: Admin) -> None:
    books = [AddBookRequest(title=f"T{number}", isbn=isbn13(number)) for number in range(120)]
    rows = [ImportBooksRequest(line=line, book=book) for line, book in enumerate(books)]
    start = Barrier(4)

    def import_all(turn: int) -> list[ImportOutcome]:
        start.wait()
        try:
            return imports.import_books(admin.store, rows[turn * 7 :] + rows[: turn * 7], admin.clock)
        finally:
            if not admin.store.is_postgresql:
                admin.store.database.close()

    with ThreadPoolExecutor(4) as threads:
        outcomes = [outcome for each in threads.map(import_all, range(4)) for outcome in each]
    assert sorted(outcome.result for outcome in outcomes) == [ADDED] * 120 + [THERE] * 360
    assert len({outcome.book_id for outcome in outcomes}) == 120
    assert len(admin.books(page_size=1_000)) == 120
