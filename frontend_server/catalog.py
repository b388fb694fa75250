"""The catalogue as patrons browse it. What of a book changes here, its copies, is put on top of the admin's message."""

from __future__ import annotations

import functools
from typing import Any

import peewee

from frontend_server.store.models import CAN_BE_BORROWED, IN_CATALOGUE, Book, Loan
from library.frontend.v1.catalog_service_pb2 import (
    ListBooksRequest,
    ListBooksResponse,
    ListCategoriesRequest,
    ListPublishersRequest,
    ValueCount,
)
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from library_domain.errors import BookNotFound
from library_domain.search import query_words
from service_kit.clock import timestamp
from service_kit.full_text import match, rows_with_words
from service_kit.paging import page, page_rows, page_size, position, row_position
from service_kit.statements import Statement, slot, tuples
from service_kit.store import Store

Row = tuple[Any, ...]
# Of one statement with the copies, and so of one moment: read after them, the last loan might have come back already.
EXPECTED_BACK = peewee.Case(
    None,
    [(CAN_BE_BORROWED, peewee.SQL("NULL"))],
    Loan.select(peewee.fn.MIN(Loan.due_time)).where(Loan.book_id == Book.id, Loan.return_time.is_null()),
)
COLUMNS = (Book.key, Book.message, Book.state, Book.total_copies, Book.on_loan, EXPECTED_BACK)

GET = Statement(Book.select(*COLUMNS).where(Book.id == slot("id")))


def get_book(store: Store, book_id: str) -> book_pb2.Book:
    """Get a book, removed or not."""
    with store.reading():
        row = GET.row(id=book_id)
    if row is None:
        raise BookNotFound(book_id=book_id)
    book = book_pb2.Book()
    _fill(book, row)
    return book


def list_books(store: Store, request: ListBooksRequest) -> ListBooksResponse:
    """A page of the books that can be borrowed now, or of all in the catalogue.

    It is filled in place: to copy fifty books into a reply takes as long as to find them.
    """
    statement = _list_statement(
        store.database,
        by_publisher=bool(request.publisher),
        by_category=bool(request.category),
        by_words=bool(request.query),
        unavailable_too=request.include_unavailable,
    )
    words = match(store.database, query_words(request.query)) if request.query else ""
    with store.reading():
        rows = statement.rows(
            after=row_position(request),
            publisher=request.publisher,
            category=request.category,
            words=words,
            limit=page_size(request) + 1,
        )
    shown, token = page_rows(request, rows, lambda row: len(row[1]), lambda row: row[0])
    response = ListBooksResponse(next_page_token=token)
    for row in shown:
        _fill(response.books.add(), row)
    return response


def list_publishers(store: Store, request: ListPublishersRequest) -> tuple[list[ValueCount], str]:
    """A page of publishers with their numbers of books, and the token of the next."""
    return _list_values(store, Book.publisher, request)


def list_categories(store: Store, request: ListCategoriesRequest) -> tuple[list[ValueCount], str]:
    """A page of categories with their numbers of books, and the token of the next."""
    return _list_values(store, Book.category, request)


@functools.cache
def _list_statement(
    database: peewee.Database, *, by_publisher: bool, by_category: bool, by_words: bool, unavailable_too: bool
) -> Statement:
    query = Book.select(*COLUMNS).where(IN_CATALOGUE if unavailable_too else CAN_BE_BORROWED)
    if by_publisher:
        query = query.where(Book.publisher == slot("publisher"))
    if by_category:
        query = query.where(Book.category == slot("category"))
    if by_words:
        query = rows_with_words(database, query, Book.key, Book.words, slot("words"), slot("after"))
    else:
        query = query.where(Book.key > slot("after")).order_by(Book.key)
    return Statement(query.limit(slot("limit")))


def _fill(book: book_pb2.Book, row: Row) -> None:
    """Make an empty message the book as patrons see it."""
    _, message, state, total_copies, on_loan, expected_back = row
    book.MergeFromString(message)
    book.state = state
    if state == BOOK_STATE_ACTIVE and on_loan < total_copies:
        book.available_copies = total_copies - on_loan
    if expected_back is not None:
        book.next_available_time.CopyFrom(timestamp(expected_back))


def _list_values(
    store: Store, column: peewee.Field, request: ListPublishersRequest | ListCategoriesRequest
) -> tuple[list[ValueCount], str]:
    query = (
        Book.select(column, peewee.fn.COUNT(Book.key))
        .where(column > position(request), IN_CATALOGUE if request.include_unavailable else CAN_BE_BORROWED)
        .group_by(column)
        .order_by(column)
        .limit(page_size(request) + 1)
    )
    with store.reading():
        rows = tuples(query)
    return page(request, rows, lambda row: ValueCount(value=row[0], book_count=row[1]), lambda row: row[0])
