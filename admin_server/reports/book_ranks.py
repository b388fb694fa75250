"""Which books are lent most, and which never."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import peewee

from admin_server.books.messages import book_message
from admin_server.reports.periods import of_period
from admin_server.reports.text_rows import text_rows
from admin_server.store.models import IN_CATALOGUE, Book, Loan
from library.admin.v1.report_service_pb2 import LentBook, ListMostLentBooksRequest, ListNeverLentBooksRequest
from library.v1 import book_pb2
from service_kit.paging import KEY, page, page_size, position, token_refused
from service_kit.row_lists import list_rows
from service_kit.store import Store
from service_kit.unreadable import read_rows, shown

IS_NEVER_LENT = ~peewee.fn.EXISTS(Loan.select(peewee.SQL("1")).where(Loan.book_id == Book.id))


class Rank(NamedTuple):
    """The place of a book in the list of those that were lent most."""

    loan_count: int
    book_id: str


def list_most_lent_books(store: Store, request: ListMostLentBooksRequest) -> tuple[list[LentBook], str]:
    """Return a page of books, the most lent first, and of equal ones the older id; and the token of the next page."""
    loan_count = peewee.fn.COUNT(Loan.key)
    query = of_period(Loan.select(Loan.book_id, loan_count), request).group_by(Loan.book_id)
    if last := rank_position(request):
        is_after = (loan_count == last.loan_count) & (Loan.book_id > last.book_id)
        query = query.having((loan_count < last.loan_count) | is_after)
    query = query.order_by(loan_count.desc(), Loan.book_id)
    with store.reading():
        ranks = [Rank(count, book_id) for book_id, count in text_rows(query, page_size(request) + 1)]
        books = _books([rank.book_id for rank in ranks])
    return page(
        request,
        ranks,
        lambda rank: LentBook(book=books[rank.book_id], loan_count=rank.loan_count),
        lambda rank: f"{rank.loan_count}/{rank.book_id}",
    )


def rank_position(request: ListMostLentBooksRequest) -> Rank | None:
    """Return the last rank before the page, None for the first page. Raises `FieldInvalid` for an invalid token."""
    place = position(request)
    if not place:
        return None
    count, slash, book_id = place.partition("/")
    if not KEY.fullmatch(count) or not slash:
        raise token_refused()
    return Rank(int(count), book_id)


def _books(ids: Sequence[str]) -> dict[str, book_pb2.Book]:
    """Return the books with these ids; those that cannot be shown with the title that a loan has."""
    rows = read_rows(Book.select().where(Book.id.in_(ids)), Book)
    messages = {row.id: shown(row, book_message, row.key) for row in rows if isinstance(row, Book)}
    found = {book_id: message for book_id, message in messages.items() if message}
    unknown = [book_id for book_id in ids if book_id not in found]
    titles = Loan.select(peewee.fn.MAX(Loan.book_title), Loan.book_id).where(Loan.book_id.in_(unknown))
    named = {book_id: title for title, book_id in text_rows(titles.group_by(Loan.book_id))} if unknown else {}
    return found | {book_id: book_pb2.Book(id=book_id, title=named.get(book_id, "")) for book_id in unknown}


def list_never_lent_books(store: Store, request: ListNeverLentBooksRequest) -> tuple[list[book_pb2.Book], str]:
    """Return a page of books of the catalogue that were never lent, oldest entry first, and the token of the next."""
    conditions: list[Any] = [IN_CATALOGUE, IS_NEVER_LENT]
    with store.reading():
        rows = list_rows(Book, request, conditions)
    return page(request, rows, book_message, lambda row: row.key)
