"""Which books are lent most, and which never."""

from __future__ import annotations

from typing import Any

import peewee

from admin_server.books.messages import book_message
from admin_server.reports.periods import of_period
from admin_server.store.models import IN_CATALOGUE, Book, Loan
from library.admin.v1.report_service_pb2 import LentBook, ListMostLentBooksRequest, ListNeverLentBooksRequest
from library.v1 import book_pb2
from service_kit.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, page
from service_kit.row_lists import list_rows
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import read_rows, shown

IS_NEVER_LENT = ~peewee.fn.EXISTS(Loan.select(peewee.SQL("1")).where(Loan.book_id == Book.id))


def list_most_lent_books(store: Store, request: ListMostLentBooksRequest) -> list[LentBook]:
    """Return the books that were lent most often, the most popular first; of equal ones, the older id first."""
    loan_count = peewee.fn.COUNT(Loan.key)
    counted = (
        of_period(Loan.select(Loan.book_id, loan_count, peewee.fn.MAX(Loan.book_title)), request)
        .group_by(Loan.book_id)
        .order_by(loan_count.desc(), Loan.book_id)
        .limit(min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE))
    )
    with store.reading():
        counts = tuples(counted)
        rows = read_rows(Book.select().where(Book.id.in_([book_id for book_id, _, _ in counts])), Book)
    books = {row.id: shown(row, book_message, row.key) for row in rows if isinstance(row, Book)}
    return [
        LentBook(book=books.get(book_id) or book_pb2.Book(id=book_id, title=title), loan_count=count)
        for book_id, count, title in counts
    ]


def list_never_lent_books(store: Store, request: ListNeverLentBooksRequest) -> tuple[list[book_pb2.Book], str]:
    """Return a page of books of the catalogue that were never lent, oldest entry first, and the token of the next."""
    conditions: list[Any] = [IN_CATALOGUE, IS_NEVER_LENT]
    with store.reading():
        rows = list_rows(Book, request, conditions)
    return page(request, rows, book_message, lambda row: row.key)
