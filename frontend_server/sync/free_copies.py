"""Counts the free copies of books again, set by set."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import peewee

from frontend_server.store.models import FREE_COPIES, Book
from service_kit.statements import Statement, in_list, listed


@functools.cache
def _count_statement(database: peewee.Database) -> Statement:
    is_wrong = Book.free_copies != FREE_COPIES
    return Statement(Book.update(free_copies=FREE_COPIES).where(in_list(database, Book.id, "ids"), is_wrong))


def count_free_copies(book_ids: Iterable[str]) -> None:
    """Count the free copies of these books again.

    Their rows have to be locked by this transaction. Otherwise the statement, which waits for another transaction that
    lends an item of such a book, goes on with the items as they were when it began.
    """
    database = Book._meta.database
    _count_statement(database).rows(ids=listed(database, book_ids))
