"""The columns of a book, made from requests and checked by their rules."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from admin_server.books.origins import NO_ORIGINS
from admin_server.books.values import COLUMN_OF, EMPTY_LIST, check_values
from admin_server.store.models import Book
from library.admin.v1.catalog_service_pb2 import AddBookRequest, UpdateBookRequest
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE
from library_domain.book_fields import (
    BOOK_FIELDS,
    CHANGEABLE_FIELDS,
    FIELD_NAMES,
    LIST_KINDS,
    BookField,
    limits,
)
from library_domain.search import book_words
from library_domain.titles import title_identity, title_key
from service_kit.errors import FieldInvalid
from service_kit.field_masks import masked_fields
from service_kit.text.keys import text_key
from service_kit.validation import joined, problems, problems_by, shortened

DERIVED_COLUMNS = ("words", "publisher_key", "category_key", "format_key", "title_key")
"""Columns that `derived_columns` computes."""

ENTRY_COLUMNS = (*FIELD_NAMES, "origins", *DERIVED_COLUMNS)
"""Columns that librarians and sources write, and those that are computed from them."""

MOST_COPIES = limits("copies").int32.lte


def book_columns(request: AddBookRequest) -> dict[str, object]:
    """Return the columns of a new book, its values normalized. Raises `FieldInvalid` as `check_values` does."""
    check_values(request)
    columns = {field.name: COLUMN_OF[field.kind](getattr(request, field.input_name)) for field in BOOK_FIELDS}
    if not request.HasField("copies"):
        columns["total_copies"] = 1
    return {**columns, "origins": NO_ORIGINS, **derived_columns(columns)}


def derived_columns(columns: Mapping[str, object]) -> dict[str, object]:
    """Return the columns that are computed from the others, for searches, filters and the matching of imports."""
    title, isbn, authors = str(columns["title"]), str(columns["isbn"]), json.loads(str(columns["authors"]))
    return {
        "words": " ".join(
            book_words(title, authors, isbn, _further_texts(columns), _texts_of(columns["identifiers"], "value"))
        ),
        "publisher_key": text_key(str(columns["publisher"])),
        "category_key": text_key(str(columns["category"])),
        "format_key": text_key(str(columns["format"])),
        "title_key": title_key(title_identity(title, authors)),
    }


def _further_texts(columns: Mapping[str, object]) -> list[str]:
    texts = [str(columns["subtitle"]), str(columns["series"]), *_listed(columns["subjects"])]
    return [text for text in (*texts, *_texts_of(columns["contributors"], "name")) if text]


def _texts_of(column: object, name: str) -> list[str]:
    """Return a text of each object in a list. Raises `ValueError` for a damaged one."""
    try:
        return [item[name] for item in _listed(column)]
    except KeyError as error:
        raise ValueError(f"an object without {name}") from error


def _listed(column: object) -> list[Any]:
    """Return the items of a list as it is stored. Raises `ValueError` for a damaged one."""
    found: list[Any] = json.loads(str(column)) if column != EMPTY_LIST else []
    return found


def changed_columns(row: Book, book: book_pb2.Book, fields: Collection[str]) -> dict[str, object]:
    """Return the columns after an update that `check_update` has accepted."""
    stored = {field.input_name: _stored_value(field, getattr(row, field.name)) for field in BOOK_FIELDS}
    merged = AddBookRequest(**{**stored, **_values(book, fields)})
    return {**book_columns(merged), "state": book.state if "state" in fields else row.state}


def _values(book: book_pb2.Book, fields: Collection[str]) -> dict[str, Any]:
    """Return the values of these fields under their names in AddBookRequest, which does not have the state."""
    return {field.input_name: getattr(book, field.name) for field in BOOK_FIELDS if field.name in fields}


def _stored_value(field: BookField, column: object) -> Any:
    """Return the value of a column as a request takes it."""
    return _listed(column) if field.kind in LIST_KINDS else column


def check_update(request: UpdateBookRequest) -> None:
    """Raise `FieldInvalid` with all that is wrong with an update: its mask, and the new values by AddBook's rules."""
    book = request.book
    fields, wrong = masked_fields(book, request.update_mask, CHANGEABLE_FIELDS)
    # AddBook requires a title, which the update need not have.
    addition = AddBookRequest(**{"title": "A", **_values(book, fields)})
    found = problems(addition)
    found = joined(found, problems_by([check_values], shortened(addition, found)))
    wrong += [("book." + path.replace("copies", "total_copies"), problem) for path, problem in found]
    if "state" in fields and book.state not in (BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE):
        wrong.append(("book.state", "must be BOOK_STATE_ACTIVE or BOOK_STATE_UNAVAILABLE; RemoveBook removes"))
    if wrong:
        raise FieldInvalid(*wrong)
