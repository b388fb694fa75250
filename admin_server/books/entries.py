"""The columns of a book, made from requests and checked by their rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from admin_server.store.models import Book
from library.admin.v1.catalog_service_pb2 import (
    AddBookRequest,
    UpdateBookRequest,
)
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE
from library_domain.isbn import normalized_isbn13
from library_domain.search import book_words
from library_domain.titles import title_identity, title_key
from service_kit.errors import FieldInvalid
from service_kit.field_masks import masked_fields
from service_kit.text.keys import text_key, tidied
from service_kit.validation import joined, problems, problems_by, shortened

COPIED_FIELDS = (
    "title",
    "isbn",
    "publisher",
    "category",
    "language",
    "published_year",
    "page_count",
    "description",
    "cover_uri",
)
"""Fields of a book that are called the same in AddBookRequest, in Book and in the table, and hold one plain value."""

CHANGEABLE_FIELDS = (*COPIED_FIELDS, "authors", "total_copies", "state")
MOST_COPIES = 10_000
"""Of one book, as AddBookRequest has it."""


def book_columns(request: AddBookRequest) -> dict[str, object]:
    """Return the columns of a new book, its texts tidied. Raises `FieldInvalid` for a wrong ISBN."""
    columns: dict[str, object] = {name: getattr(request, name) for name in COPIED_FIELDS}
    columns |= {name: tidied(text) for name, text in columns.items() if isinstance(text, str)}
    authors = [tidied(author) for author in request.authors]
    columns["isbn"] = checked_isbn(request.isbn)
    columns["authors"] = json.dumps(authors, ensure_ascii=False)
    columns["total_copies"] = request.copies if request.HasField("copies") else 1
    return {**columns, **derived_columns(columns)}


def derived_columns(columns: Mapping[str, object]) -> dict[str, object]:
    """Return the columns of a book that are computed from the others: what it is found, filtered and matched by."""
    title, isbn, authors = str(columns["title"]), str(columns["isbn"]), json.loads(str(columns["authors"]))
    return {
        "words": " ".join(book_words(title, authors, isbn)),
        "publisher_key": text_key(str(columns["publisher"])),
        "category_key": text_key(str(columns["category"])),
        "title_key": title_key(title_identity(title, authors)),
    }


def changed_columns(row: Book, book: book_pb2.Book, fields: Sequence[str]) -> dict[str, object]:
    """The columns after an update that `check_update` lets pass."""
    merged = AddBookRequest(authors=json.loads(row.authors), copies=row.total_copies)
    for name in COPIED_FIELDS:
        setattr(merged, name, getattr(row, name))
    fill(merged, book, fields)
    return {**book_columns(merged), "state": book.state if "state" in fields else row.state}


def fill(request: AddBookRequest, book: book_pb2.Book, fields: Iterable[str]) -> None:
    """Put these fields of a book into a request; all but the state, which it does not have."""
    for name in fields:
        if name == "authors":
            request.authors[:] = book.authors
        elif name == "total_copies":
            request.copies = book.total_copies
        elif name != "state":
            setattr(request, name, getattr(book, name))


def checked_isbn(isbn: str) -> str:
    """Return the ISBN as thirteen digits, or "" for none. Raises `FieldInvalid`."""
    try:
        return normalized_isbn13(isbn)
    except ValueError as error:
        raise FieldInvalid(("isbn", str(error))) from error


def check_isbn(request: AddBookRequest) -> None:
    """Raise `FieldInvalid` for a wrong ISBN."""
    checked_isbn(request.isbn)


def check_update(request: UpdateBookRequest) -> None:
    """Raise `FieldInvalid` with all that is wrong with an update: its mask, and the new values by AddBook's rules."""
    book = request.book
    fields, wrong = masked_fields(book, request.update_mask, CHANGEABLE_FIELDS)
    # What is not changed is filled in, so that an addition with the new values is judged by them alone.
    addition = AddBookRequest(title="A")
    fill(addition, book, fields)
    found = problems(addition)
    found = joined(found, problems_by([check_isbn], shortened(addition, found)))
    wrong += [("book." + field.replace("copies", "total_copies"), problem) for field, problem in found]
    if "state" in fields and book.state not in (BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE):
        wrong.append(("book.state", "must be BOOK_STATE_ACTIVE or BOOK_STATE_UNAVAILABLE; RemoveBook removes"))
    if wrong:
        raise FieldInvalid(*wrong)
