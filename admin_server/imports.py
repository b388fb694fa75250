"""Importing many books: each row goes in or has its reason why not, and the others are not held up."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from admin_server.catalog import book_columns, check_isbn, insert_books
from admin_server.store.models import IN_CATALOGUE, Book
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_REFUSED,
    FieldProblem,
    ImportBooksRequest,
    ImportOutcome,
)
from library_domain.errors import ImportTooLong
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.revisions import hold_revisions
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.validation import joined, problems, problems_by, shortened

ROW_LIMIT = 20_000
"""The most rows in one stream: their outcomes come back in one message."""

BATCH_ROWS = 500
"""How many rows are committed together: enough to make a commit cheap, few enough to let other writers in."""

OUTCOME_BYTES = 3_000_000
"""The most that the outcomes of one stream may weigh: more might not fit into the reply, with the rows already in."""

PROBLEMS_REPORTED = 10
"""At most so many problems of a row are reported, each field's first before its others."""


NO_REQUEST_ID = "must be empty: rows of an import have no request id. Send the file again; ISBNs show what is in"


BATCH_BYTES = 4_000_000
"""The rows of a batch weigh together no more than this and one row; those that are refused weigh nothing. All of them
are in memory until the batch is committed, and a row that goes in may have 120 kB."""


class _Row(NamedTuple):
    """What is kept of a row until its batch is committed: of one that is refused, only why."""

    line: int
    validate_only: bool
    columns: dict[str, object]
    """Empty when the row is refused."""
    problems: list[FieldProblem]
    weight: int
    """Bytes that are kept, roughly."""


def import_books(store: Store, rows: Iterable[ImportBooksRequest], clock: Clock) -> list[ImportOutcome]:
    """Import the rows as they come, some hundreds to a transaction; give each its outcome.

    Raises `ImportTooLong` after `ROW_LIMIT` rows, or fewer if they have too much wrong with them; those are in.
    """
    checked = (_checked(row) for row in rows)  # one by one, so that what is too large does not pile up
    outcomes: list[ImportOutcome] = []
    room = OUTCOME_BYTES
    # Which book has an ISBN; kept from batch to batch, so that a dry run knows of earlier rows.
    holders: dict[str, str] = {}
    while batch := _next_batch(checked, min(BATCH_ROWS, ROW_LIMIT - len(outcomes))):
        latest = _import_batch(store, batch, holders, clock)
        outcomes += latest
        room -= sum(outcome.ByteSize() for outcome in latest)
        if (len(outcomes) == ROW_LIMIT or room < 0) and next(checked, None) is not None:
            raise ImportTooLong(row_limit=len(outcomes))
    return outcomes


def _next_batch(rows: Iterable[_Row], most_rows: int) -> list[_Row]:
    batch: list[_Row] = []
    room = BATCH_BYTES
    for row in islice(rows, most_rows):
        batch.append(row)
        room -= row.weight
        if room < 0:
            break
    return batch


def _import_batch(store: Store, batch: list[_Row], holders: dict[str, str], clock: Clock) -> list[ImportOutcome]:
    outcomes = [ImportOutcome(line=row.line, problems=row.problems) for row in batch]
    fresh: list[dict[str, object]] = []
    with store.writing():
        if not all(row.validate_only for row in batch):
            # Else, on PostgreSQL, another import could add one of these ISBNs between the look and the insert, and
            # the whole batch would fail for it.
            hold_revisions()
        holders |= _holders({str(row.columns["isbn"]) for row in batch if not row.problems})
        for row, outcome in zip(batch, outcomes, strict=True):
            isbn = str(row.columns.get("isbn", ""))
            if outcome.problems:
                outcome.result = IMPORT_RESULT_REFUSED
            elif isbn in holders:
                outcome.result = IMPORT_RESULT_ALREADY_THERE
                outcome.book_id = holders[isbn]
            else:
                outcome.result = IMPORT_RESULT_ADDED
                if not row.validate_only:
                    outcome.book_id = new_id()
                    fresh.append({**row.columns, "id": outcome.book_id})
                if isbn:
                    holders[isbn] = outcome.book_id
        if fresh:
            insert_books(fresh, clock())
    return outcomes


def _checked(row: ImportBooksRequest) -> _Row:
    """Return the columns of a row, or what is wrong with it.

    No columns are made of a row that is refused: its lists may have a million items.
    """
    wrong = problems(row.book)
    if row.book.request_id:
        wrong.insert(0, ("request_id", NO_REQUEST_ID))
    wrong = joined(wrong, problems_by([check_isbn], shortened(row.book, wrong)))
    if not wrong:
        return _Row(row.line, row.validate_only, book_columns(row.book), [], row.ByteSize())
    reported = [
        FieldProblem(field=field, description=problem)
        for field, problem in FieldInvalid(*wrong).fitting(PROBLEMS_REPORTED)
    ]
    return _Row(row.line, row.validate_only, {}, reported, 0)


def _holders(isbns: set[str]) -> dict[str, str]:
    """Which books of the catalogue have these ISBNs: a dict of ISBN to book id."""
    query = Book.select(Book.isbn, Book.id).where(Book.isbn.in_(isbns - {""}), IN_CATALOGUE)
    return dict(tuples(query))
