"""The catalogue as patrons browse it: the admin's message of each book, with the state and copies that change here."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import peewee

from frontend_server.store.models import CAN_BE_BORROWED, IN_CATALOGUE, LEFT_OUT, Book, Loan
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
from library_domain.search import book_query
from service_kit.clock import is_time, timestamp
from service_kit.errors import RowUnreadable
from service_kit.full_text import keys_with_words, rows_with_words
from service_kit.id_prefixes import id_at, id_range
from service_kit.key_filters import KeyFilter, Shape, conditions, in_ranges, key_filter, parameterized
from service_kit.message_checks import is_valid_timestamp
from service_kit.paging import page, page_rows, page_size, position, row_position
from service_kit.search import Place, search
from service_kit.statements import Statement, param, tuples
from service_kit.store import Store
from service_kit.text.keys import tidied
from service_kit.unreadable import DAMAGE, Damaged, all_shown, read_each, report

Row = tuple[Any, ...]
# In the same statement as the copies, so that both are of the same moment. In a second one, the loan could be returned.
EXPECTED_BACK = peewee.Case(
    None,
    [(CAN_BE_BORROWED, peewee.SQL("NULL"))],
    Loan.select(peewee.fn.MIN(Loan.due_time)).where(Loan.book_id == Book.id, Loan.return_time.is_null()),
)
COLUMNS = (Book.key, Book.message, Book.state, Book.free_copies, EXPECTED_BACK)

MOST_LEFT_OUT = 1_000
"""The most left out books that are counted."""

MOST_MATCHES = 1_000
"""The most books that match a query, among which the left out ones are counted."""

_IN_ID_RANGE = (Book.id >= param("first"), Book.id <= param("last"))

GET = Statement(Book.select(*COLUMNS).where(Book.id == param("id")))
ONE = Statement(Book.select(*COLUMNS).where(Book.key == param("key")))


def get_book(store: Store, book_id: str) -> book_pb2.Book:
    """Return a book, removed or not. Raises `BookNotFound` and `RowUnreadable`."""
    try:
        with store.reading():
            row = GET.row(id=book_id)
        if row is None:
            raise BookNotFound(book_id=book_id)
        book = book_pb2.Book()
        _fill(book, row)
    except DAMAGE as error:  # not `readable`, whose cost is measurable here
        report("book", book_id, error)
        raise RowUnreadable(kind="book", id=book_id) from error
    return book


def list_books(store: Store, request: ListBooksRequest) -> ListBooksResponse:
    """Return a page of the books that can be borrowed now, or of all in the catalogue.

    The response is filled in place: copying fifty books into it takes as long as finding them.
    """
    fits = key_filter(publisher_key=request.publisher, category_key=request.category, format_key=request.format)
    with store.reading():
        rows, words = _found(store, request, fits)
        shown, token = page_rows(request, rows, _size, lambda row: row[0] or row[1][0])
        response = ListBooksResponse(next_page_token=token)
        if not request.include_unavailable and not request.page_token:
            response.left_out_count = _left_out_count(store, request, fits, words)
    for _, row in shown:
        try:
            _fill(response.books.add(), row)
        except DAMAGE as error:
            del response.books[-1]
            report("book", row[0], error)
    return response


def list_publishers(store: Store, request: ListPublishersRequest) -> tuple[list[ValueCount], str]:
    """Return a page of publishers with the number of books of each, and the token of the next page."""
    return _list_values(store, Book.publisher_key, Book.publisher, request)


def list_categories(store: Store, request: ListCategoriesRequest) -> tuple[list[ValueCount], str]:
    """Return a page of categories with the number of books of each, and the token of the next page."""
    return _list_values(store, Book.category_key, Book.category, request)


def _found(store: Store, request: ListBooksRequest, fits: KeyFilter) -> tuple[Sequence[tuple[Place | None, Row]], str]:
    """Return up to `page_size + 1` rows, each with its place in a search, and the words that are searched for."""
    if request.query:
        return _searched(store, request, fits)
    return _with_id_prefix(request, fits) if request.id_prefix else _listed(request, fits)


def _with_id_prefix(request: ListBooksRequest, fits: KeyFilter) -> tuple[list[tuple[None, Row]], str]:
    ids = id_range(request.id_prefix)
    statement = _id_prefix_statement(fits.shape, request.include_unavailable)
    after = id_at(Book, row_position(request))
    rows = _rows(statement, first=ids.first, last=ids.last, after=after, limit=page_size(request) + 1, **fits.params())
    return [(None, row) for row in rows], ""


def _listed(request: ListBooksRequest, fits: KeyFilter) -> tuple[list[tuple[None, Row]], str]:
    statement = _list_statement(fits.shape, request.include_unavailable)
    rows = _rows(statement, after=row_position(request), limit=page_size(request) + 1, **fits.params())
    return [(None, row) for row in rows], ""


def _searched(store: Store, request: ListBooksRequest, fits: KeyFilter) -> tuple[list[tuple[Place, Row]], str]:
    """Return up to `page_size + 1` rows, each with its place, and the words that the whole list matches."""
    statement = _search_statement(store.database, fits.shape, request.include_unavailable)
    params = fits.params()
    hits = search(
        store.database,
        request,
        book_query(request.query),
        find=lambda words, after, limit: _rows(statement, words=words, after=after, limit=limit, **params),
        is_known=lambda words: bool(_known_statement(store.database).rows(words=words, after=0)),
    )
    return [(Place(phase, row[0]), row) for phase, row in hits.rows], hits.match


def _rows(statement: Statement, **values: Any) -> list[Row]:
    """Run a statement with `COLUMNS`. If it fails, read each row by its key; a damaged row is returned as its key."""
    try:
        return statement.rows(**values)
    except DAMAGE:
        keys = statement.only(Book.key).rows(**values)
    found = read_each([key for (key,) in keys], lambda key: ONE.rows(key=key)[0])
    return [(row.key, b"", row.error, 0, None) if isinstance(row, Damaged) else row for row in found]


def _size(row: tuple[object, Row]) -> int:
    message = row[1][1]
    return 0 if isinstance(message, (int, float)) else len(message)


def _left_out_count(store: Store, request: ListBooksRequest, fits: KeyFilter, words: str) -> int:
    """Return how many books match but cannot be borrowed now, at most `MOST_LEFT_OUT`."""
    if request.id_prefix:
        ids = id_range(request.id_prefix)
        [(count,)] = _left_out_ids_statement(fits.shape).rows(first=ids.first, last=ids.last, **fits.params())
    else:
        statement = _left_out_words_statement(store.database, fits.shape) if words else _left_out_statement(fits.shape)
        [(count,)] = statement.rows(words=words, after=0, **fits.params())
    return min(int(count), MOST_LEFT_OUT)


@functools.cache
def _list_statement(shape: Shape, unavailable_too: bool) -> Statement:
    usable = IN_CATALOGUE if unavailable_too else CAN_BE_BORROWED
    return Statement(
        in_ranges(Book, Book.select(*COLUMNS), usable, parameterized(shape), param("after"), param("limit"))
    )


@functools.cache
def _search_statement(database: peewee.Database, shape: Shape, unavailable_too: bool) -> Statement:
    usable = IN_CATALOGUE if unavailable_too else CAN_BE_BORROWED
    query = Book.select(*COLUMNS).where(usable, *conditions(Book, parameterized(shape)))
    query = rows_with_words(database, query, Book.key, Book.words, param("words"), param("after"))
    return Statement(query.limit(param("limit")))


@functools.cache
def _id_prefix_statement(shape: Shape, unavailable_too: bool) -> Statement:
    usable = IN_CATALOGUE if unavailable_too else CAN_BE_BORROWED
    query = Book.select(*COLUMNS).where(
        usable, *_IN_ID_RANGE, Book.id > param("after"), *conditions(Book, parameterized(shape))
    )
    return Statement(query.order_by(Book.id).limit(param("limit")))


@functools.cache
def _left_out_ids_statement(shape: Shape) -> Statement:
    left_out = Book.select(Book.key).where(LEFT_OUT, *_IN_ID_RANGE, *conditions(Book, parameterized(shape)))
    counted = left_out.order_by(Book.id).limit(MOST_LEFT_OUT).alias("counted")
    return Statement(Book.select(peewee.fn.COUNT(counted.c.key)).from_(counted))


@functools.cache
def _known_statement(database: peewee.Database) -> Statement:
    query = Book.select(Book.key).where(IN_CATALOGUE)
    return Statement(rows_with_words(database, query, Book.key, Book.words, param("words"), param("after")).limit(1))


@functools.cache
def _left_out_statement(shape: Shape) -> Statement:
    # Ordered by an index. Without it, SQLite reads the table from its beginning, even if the matches are at its end.
    left_out = Book.select(Book.key).where(LEFT_OUT, Book.key > param("after"), *conditions(Book, parameterized(shape)))
    counted = left_out.order_by(Book.key).limit(MOST_LEFT_OUT).alias("counted")
    return Statement(Book.select(peewee.fn.COUNT(counted.c.key)).from_(counted))


@functools.cache
def _left_out_words_statement(database: peewee.Database, shape: Shape) -> Statement:
    matches = keys_with_words(database, Book.key, Book.words, param("words"), MOST_MATCHES).alias("matches")
    left_out = Book.select(peewee.fn.COUNT(Book.key)).join(matches, on=(matches.c.key == Book.key))
    return Statement(left_out.where(LEFT_OUT, *conditions(Book, parameterized(shape))))


def _fill(book: book_pb2.Book, row: Row) -> None:
    """Fill an empty message with the book as patrons see it. Raises `ValueError` for a damaged row."""
    _, message, state, free_copies, expected_back = row
    book.MergeFromString(message)
    book.state = state
    if state == BOOK_STATE_ACTIVE and free_copies > 0:
        book.available_copies = free_copies
    if expected_back is not None and is_time(expected_back):
        book.next_available_time.CopyFrom(timestamp(expected_back))
    if not (is_valid_timestamp(book.create_time) and is_valid_timestamp(book.update_time)):
        raise ValueError("a time is not one of the years 1 to 9999")


def _list_values(
    store: Store, key: peewee.Field, text: peewee.Field, request: ListPublishersRequest | ListCategoriesRequest
) -> tuple[list[ValueCount], str]:
    """Return a page of values, ordered by their keys; each is written as in its first book."""
    groups = (
        Book.select(
            key.alias("value_key"), peewee.fn.COUNT(Book.key).alias("books"), peewee.fn.MIN(Book.key).alias("first")
        )
        .where(key > position(request), IN_CATALOGUE if request.include_unavailable else CAN_BE_BORROWED)
        .group_by(key)
        .order_by(key)
    )
    with store.reading():
        rows = _values(groups, text, page_size(request) + 1)
    return page(request, rows, lambda row: ValueCount(value=tidied(row[2]), book_count=row[1]), lambda row: row[0])


def _values(groups: Any, text: peewee.Field, limit: int) -> list[Row]:
    """Return up to `limit` rows of a value's key, the number of its books, and the value."""
    try:
        rows = tuples(_with_text(groups.limit(limit).alias("groups"), text))
        if all(isinstance(row[0], str) for row in rows):
            return rows
    except UnicodeDecodeError:
        pass
    # Only on SQLite: skip the values that cannot be decoded.
    raw = tuples(_with_text(groups.alias("groups"), text, is_raw=True))
    return all_shown(raw, lambda row: (row[0].decode(), row[1], row[2].decode()))[:limit]


def _with_text(groups: Any, text: peewee.Field, *, is_raw: bool = False) -> Any:
    """Join each group with the value as its first book has it."""
    columns = (groups.c.value_key, text)
    value_key, value = (peewee.Cast(column, "BLOB") for column in columns) if is_raw else columns
    query = Book.select(value_key, groups.c.books, value).join(groups, on=(groups.c.first == Book.key))
    return query.order_by(groups.c.value_key)
