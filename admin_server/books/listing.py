"""Librarians look up books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from admin_server.books.messages import SHOWN_COLUMNS, ShownBook, book_message, expected_back_times
from admin_server.store.models import IN_CATALOGUE, NOT_BORROWABLE, Book
from library.admin.v1.catalog_service_pb2 import ListBooksRequest
from library.admin.v1.loan_service_pb2 import ListUnavailableBooksRequest
from library.v1 import book_pb2
from library_domain.errors import BookNotFound
from library_domain.search import book_query
from service_kit.full_text import rows_with_words
from service_kit.key_filters import KeyFilter, conditions, in_ranges, key_filter
from service_kit.paging import page, page_size, row_position
from service_kit.search import Place, search
from service_kit.statements import Statement, param
from service_kit.store import Store
from service_kit.unreadable import Damaged, read_rows, readable

GET = Statement(Book.select(*(getattr(Book, name) for name in SHOWN_COLUMNS)).where(Book.id == param("id")))


def get_book(store: Store, book_id: str) -> book_pb2.Book:
    """Return a book, also a removed one. Raises `BookNotFound`."""
    with store.reading(), readable("book", book_id):
        found = GET.row(id=book_id)
        if found is None:
            raise BookNotFound(book_id=book_id)
        row: Any = ShownBook(*found)
        return book_message(row, expected_back_times([row]).get(row.id))


def list_books(store: Store, request: ListBooksRequest) -> tuple[list[book_pb2.Book], str]:
    """Return a page of the catalogue, oldest entry first, and the token of the next.

    With a query, books that have its words come first, then books with words that begin like them. Only where there are
    neither, words with typing errors are guessed.
    """
    usable = Book.state == request.state if request.state else IN_CATALOGUE
    fits = key_filter(publisher_key=request.publisher, category_key=request.category, format_key=request.format)
    with store.reading():
        if request.query:
            rows = _searched(store, request, usable, fits)
        else:
            after, limit = row_position(request), page_size(request) + 1
            rows = [(None, row) for row in read_rows(in_ranges(Book, Book.select(), usable, fits, after, limit), Book)]
        return _book_page(request, [row for _, row in rows], [place for place, _ in rows])


def list_unavailable_books(store: Store, request: ListUnavailableBooksRequest) -> tuple[list[book_pb2.Book], str]:
    """Return a page of the books that cannot be borrowed now, and the token of the next."""
    query = Book.select().where(Book.key > row_position(request), NOT_BORROWABLE, IN_CATALOGUE).order_by(Book.key)
    with store.reading():
        return _book_page(request, read_rows(query.limit(page_size(request) + 1), Book))


def _searched(
    store: Store, request: ListBooksRequest, usable: Any, fits: KeyFilter
) -> list[tuple[Place | None, Book | Damaged]]:
    """Return up to `page_size + 1` rows, each with its place."""

    def find(words: str, after: int, limit: int, *filters: Any) -> list[Book | Damaged]:
        query = Book.select().where(usable, *filters)
        return read_rows(rows_with_words(store.database, query, Book.key, Book.words, words, after).limit(limit), Book)

    hits = search(
        store.database,
        request,
        book_query(request.query),
        find=lambda words, after, limit: find(words, after, limit, *conditions(Book, fits)),
        is_known=lambda words: bool(find(words, 0, 1)),
    )
    return [(Place(phase, row.key), row) for phase, row in hits.rows]


def _book_page(
    request: ListBooksRequest | ListUnavailableBooksRequest,
    rows: Sequence[Book | Damaged],
    places: Sequence[Place | None] = (),
) -> tuple[list[book_pb2.Book], str]:
    """Return the books of a page, with the next available time of those on loan, and the token of the next page."""
    expected = expected_back_times(rows)
    by_key = dict(zip((row.key for row in rows), places, strict=False))
    return page(
        request,
        rows,
        lambda row: book_message(row, expected.get(row.id)),
        lambda row: by_key.get(row.key) or row.key,
    )
