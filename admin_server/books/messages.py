"""A book as a message: for the sync, and for librarians."""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import peewee

from admin_server.books.origins import origin_messages
from admin_server.store.models import Book, Loan
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from library_domain.book_fields import BOOK_FIELDS, FIELD_NAMES, LIST_KINDS, FieldKind
from service_kit.clock import is_time, timestamp
from service_kit.etags import etag_of
from service_kit.statements import tuples
from service_kit.unreadable import Damaged

LIST_COLUMNS = tuple(field.name for field in BOOK_FIELDS if field.kind in LIST_KINDS)
"""Columns that are JSON arrays."""

TEXT_COLUMNS = frozenset(field.name for field in BOOK_FIELDS if field.kind not in (FieldKind.NUMBER, FieldKind.YEAR))
EMPTY_VALUES = ("", "[]")
"""Of `TEXT_COLUMNS`. An empty text in a column of numbers is damage."""

CATALOG_COLUMNS = ("id", *FIELD_NAMES, "state", "create_time", "update_time", "cover_digest")
"""Columns that `catalog_message` reads."""

_catalog_values: Callable[[Any], tuple[Any, ...]] = attrgetter(*CATALOG_COLUMNS)

# json.loads checks its options at each call, which takes 8% of the time of a message.
_decode = json.JSONDecoder().decode


def cover_path(book_id: str, digest: str) -> str:
    """Return the path of a book's cover over HTTP, which changes with the picture; empty without a picture."""
    return f"/admin/v1/books/{book_id}/cover?v={digest}" if digest else ""


SHOWN_COLUMNS = (*CATALOG_COLUMNS, "revision", "origins", "lendable_copies", "on_loan")
ShownBook: Any = namedtuple("ShownBook", SHOWN_COLUMNS)  # type: ignore[misc]
"""The columns that `book_message` reads. To make one takes less time than to make a model."""


def etag(row: Book) -> str:
    """Return the etag of an entry."""
    return etag_of(row.revision, row.update_time)


def catalog_message(row: Book | tuple[Any, ...]) -> book_pb2.Book:
    """Return the book as the catalogue has it, which the frontend stores.

    Args:
        row: A model, or the values of `CATALOG_COLUMNS`: a first sync reads too many books to make a model of each.
    """
    columns = zip(CATALOG_COLUMNS, _catalog_values(row) if isinstance(row, (Book, ShownBook)) else row, strict=True)
    # Most books have few of the fields. To set an empty one takes as long as to set another.
    values = {name: value for name, value in columns if value not in EMPTY_VALUES or name not in TEXT_COLUMNS}
    for name in LIST_COLUMNS:
        if name in values:
            values[name] = _decode(values[name])
    values["state"] = int(values["state"])
    values["create_time"] = timestamp(values["create_time"])
    values["update_time"] = timestamp(values["update_time"])
    values["cover_path"] = cover_path(values["id"], values.pop("cover_digest"))
    return book_pb2.Book(**values)


def book_message(row: Book, next_available_time: int | None = None) -> book_pb2.Book:
    """Return the book as librarians see it: with its etag, the origins of values and the copies that are available."""
    book = catalog_message(row)
    book.etag = etag(row)
    book.origins.extend(origin_messages(row.origins))
    if row.state == BOOK_STATE_ACTIVE:
        book.available_copies = max(0, row.lendable_copies - row.on_loan)
    if next_available_time is not None and not book.available_copies:
        book.next_available_time.CopyFrom(timestamp(next_available_time))
    return book


def expected_back_times(rows: Iterable[Book | Damaged]) -> dict[str, int]:
    """Return the earliest due time of each of these books with copies on loan, by book id; one query for all."""
    book_ids = [row.id for row in rows if not isinstance(row, Damaged) and row.on_loan]
    if not book_ids:
        return {}
    query = (
        Loan.select(Loan.book_id, peewee.fn.MIN(Loan.due_time))
        .where(Loan.book_id.in_(book_ids), Loan.return_time.is_null())
        .group_by(Loan.book_id)
    )
    return {book_id: due_time for book_id, due_time in tuples(query) if is_time(due_time)}
