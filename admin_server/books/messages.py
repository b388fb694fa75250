"""A book as a message: for the sync, and for librarians."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from admin_server.store.models import Book, Loan
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from library_domain.loans import expected_back
from service_kit.clock import timestamp
from service_kit.unreadable import Damaged


class CatalogRow(NamedTuple):
    """What `catalog_message` reads of a book, as a plain row: a first sync reads too many to make models of them."""

    id: str
    title: str
    authors: str
    isbn: str
    publisher: str
    category: str
    language: str
    published_year: int
    page_count: int
    description: str
    cover_uri: str
    total_copies: int
    state: int
    create_time: int
    update_time: int
    revision: int


def etag(row: Book) -> str:
    """Stands for a version of the entry. The time is in it, because a restored store gives revisions a second time."""
    return etag_of(row.revision, row.update_time)


def etag_of(revision: int, update_time: int) -> str:
    """Return the etag of an entry with this revision and time of its last change."""
    return f"{revision:x}-{update_time:x}"


def catalog_message(row: Book | CatalogRow) -> book_pb2.Book:
    """The book as the catalogue has it: what the frontend is told."""
    return book_pb2.Book(
        id=row.id,
        title=row.title,
        authors=json.loads(row.authors),
        isbn=row.isbn,
        publisher=row.publisher,
        category=row.category,
        language=row.language,
        published_year=row.published_year,
        page_count=row.page_count,
        description=row.description,
        cover_uri=row.cover_uri,
        total_copies=row.total_copies,
        state=book_pb2.BookState.ValueType(row.state),
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
    )


def book_message(row: Book, next_available_time: int | None = None) -> book_pb2.Book:
    """The book as librarians see it."""
    book = catalog_message(row)
    book.etag = etag(row)
    if row.state == BOOK_STATE_ACTIVE:
        book.available_copies = max(0, row.total_copies - row.on_loan)
    if next_available_time is not None and not book.available_copies:
        book.next_available_time.CopyFrom(timestamp(next_available_time))
    return book


def expected_back_times(rows: Iterable[Book | Damaged]) -> dict[str, int]:
    """Return when those of these books that are out are expected back, by their ids; one query for all."""
    return expected_back(Loan, [row.id for row in rows if isinstance(row, Book) and row.on_loan])
