"""Check the rows of an import and its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from admin_server.books.entries import book_columns
from admin_server.books.values import check_values
from library.admin.v1.catalog_service_pb2 import (
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_SKIP,
    AddBookRequest,
    FieldProblem,
    ImportBooksRequest,
    ImportOptions,
)
from library_domain.book_fields import BOOK_FIELDS, BookField
from service_kit.digests import digest_64
from service_kit.errors import FieldInvalid
from service_kit.text.keys import tidied
from service_kit.validation import Problem, joined, problems, problems_by, shortened

PROBLEMS_REPORTED = 10
"""Problems that are reported of a row, at most. The first problem of each field comes before further ones."""

NO_REQUEST_ID = "must be empty: rows of an import have no request id, but a run_id in their options"
NO_LINE = "must be set, and different for each row, where the options have a run_id"
OTHER_OPTIONS = "must be those of the first row of the stream, or not set"
NEEDS_RUN = "must be set with ON_DUPLICATE_ADD_COPIES, so that no row is counted twice"


class Row(NamedTuple):
    """A row until its batch is committed. Of a refused row only the problems are kept."""

    line: int
    validate_only: bool
    columns: dict[str, object]
    """Empty when the row is refused."""
    given: tuple[str, ...]
    """The columns that an update changes: those for which the row has a value."""
    digest: int
    problems: list[FieldProblem]
    weight: int
    """Bytes in memory, roughly."""
    items: tuple[Mapping[str, object], ...] = ()
    """The columns of its items, as `admin_server.inventory.writing.ENTRY` names them. Without items the row has as many
    copies as its columns say."""


def checked_options(row: ImportBooksRequest) -> ImportOptions:
    """Return the options of a stream's first row, normalized. Raises `FieldInvalid`."""
    options = ImportOptions()
    options.CopyFrom(row.options)
    wrong: list[Problem] = [(f"options.{field}", problem) for field, problem in problems(options)]
    if options.on_duplicate == ON_DUPLICATE_ADD_COPIES and not options.run_id:
        wrong.append(("options.run_id", NEEDS_RUN))
    if wrong:
        raise FieldInvalid(*wrong)
    return _normalized(options)


def checked_row(row: ImportBooksRequest, options: ImportOptions) -> Row:
    """Return the columns of a row, or what is wrong with it.

    A refused row has no columns: its lists can have a million items.
    """
    wrong = problems(row.book)
    if row.book.request_id:
        wrong.insert(0, ("request_id", NO_REQUEST_ID))
    wrong = joined(wrong, problems_by([check_values], shortened(row.book, wrong)))
    if options.run_id and row.line < 1:
        wrong.insert(0, ("line", NO_LINE))
    if row.HasField("options") and _normalized(row.options) != options:
        wrong.insert(0, ("options", OTHER_OPTIONS))
    if wrong:
        reported = [
            FieldProblem(field=field, description=problem)
            for field, problem in FieldInvalid(*wrong).fitting(PROBLEMS_REPORTED)
        ]
        return Row(row.line, row.validate_only, {}, (), 0, reported, 0)
    columns = book_columns(row.book)
    given = tuple(f.name for f in BOOK_FIELDS if _is_given(row.book, f, columns[f.name]))
    return Row(
        row.line,
        row.validate_only,
        columns,
        given,
        digest_64(row.book.SerializeToString(deterministic=True)),
        [],
        row.ByteSize(),
    )


def _is_given(book: AddBookRequest, field: BookField, column: object) -> bool:
    """Return whether a row has a value. Of a text of blanks the column is empty; a number of copies can be 0."""
    if field.input_name == "copies":
        return book.HasField("copies")
    return bool(getattr(book, field.input_name)) and bool(column)


def _normalized(options: ImportOptions) -> ImportOptions:
    return ImportOptions(
        run_id=options.run_id.lower(),
        on_duplicate=options.on_duplicate or ON_DUPLICATE_SKIP,
        match_title=options.match_title,
        source=tidied(options.source),
    )
