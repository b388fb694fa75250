"""Copies of books: reserving one, releasing one, and the facts on which a refusal depends."""

from __future__ import annotations

import peewee

from frontend_server.circulation.eligibility import BookFacts
from frontend_server.store.models import CAN_BE_BORROWED, HAS_ITEMS, Book, Loan
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from service_kit.clock import is_time
from service_kit.statements import Statement, param

RESERVE_COPY = Statement(
    Book.update(on_loan=Book.on_loan + 1, free_copies=Book.free_copies - 1)
    .where(Book.id == param("book_id"), CAN_BE_BORROWED)
    .returning(Book.title)
)
# A copy without an item is free again, unless the items of the book are known: then they alone are counted. More copies
# than the book has can be out, after the admin has lowered their number.
RELEASE_COPY = Statement(
    Book.update(
        on_loan=Book.on_loan - 1,
        free_copies=peewee.Case(
            None,
            [
                (HAS_ITEMS, Book.free_copies),
                (Book.on_loan <= Book.total_copies, Book.total_copies - Book.on_loan + 1),
            ],
            0,
        ),
    ).where(Book.id == param("book_id"), Book.on_loan > 0)
)
EXPECTED_BACK = Loan.select(peewee.fn.MIN(Loan.due_time)).where(
    Loan.book_id == param("book_id"), Loan.return_time.is_null()
)
FIND_FACTS = Statement(Book.select(Book.state, Book.free_copies > 0, EXPECTED_BACK).where(Book.id == param("book_id")))


def facts_of_refused_book(book_id: str, now: int) -> BookFacts | None:
    """Return the facts of a book after `RESERVE_COPY` has changed no row; None for an unknown book.

    On PostgreSQL a copy can come back between the two statements. The call is refused all the same: it lost its race.
    """
    row = FIND_FACTS.row(book_id=book_id)
    if row is None:
        return None
    state, has_free_copy, expected_back = row
    return BookFacts(
        state,
        bool(has_free_copy) and state != BOOK_STATE_ACTIVE,
        expected_back if is_time(expected_back) else now,
    )
