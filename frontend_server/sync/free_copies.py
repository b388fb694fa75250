"""Counts the free copies of books again, set by set."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from frontend_server.store.models import FREE_COPIES, Book
from service_kit.statements import InList, Statement, is_postgresql, listed, tuples

_LOCK = Statement(Book.select(Book.key).where(InList(Book.id, "ids")).order_by(Book.key).for_update())
_COUNT = Statement(Book.update(free_copies=FREE_COPIES).where(InList(Book.id, "ids"), Book.free_copies != FREE_COPIES))


def lock_books(book_ids: Collection[str]) -> None:
    """Lock these books until the transaction ends. On SQLite the transaction itself is the lock."""
    if book_ids and is_postgresql(Book):
        _LOCK.rows(ids=listed(Book, book_ids))


def count_free_copies(book_ids: Iterable[str]) -> None:
    """Count the free copies of these books again.

    Their rows have to be locked by this transaction. Otherwise the statement, which waits for another transaction that
    lends an item of such a book, goes on with the items as they were when it began.
    """
    _COUNT.rows(ids=listed(Book, book_ids))


def wrong_counts() -> list[str]:
    """Return the ids of the books whose free copies are counted wrong."""
    return [book_id for (book_id,) in tuples(Book.select(Book.id).where(Book.free_copies != FREE_COPIES))]
