"""Write books. Each change takes a revision, so that the frontend receives it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import peewee

from admin_server.books.entries import ENTRY_COLUMNS
from admin_server.inventory.copies import add_copies, set_copies, withdraw_all
from admin_server.store.models import HAS_ISBN, IN_CATALOGUE, Book, Cover
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED
from library_domain.errors import BookNotFound, IsbnTaken
from library_domain.isbn import normalized_isbn13
from service_kit.ids import new_id
from service_kit.revisions import take_revisions
from service_kit.statements import Statement, param
from service_kit.store import Store
from service_kit.vocabulary import learn, learnable

INSERT = Statement(
    Book.insert(
        state=BOOK_STATE_ACTIVE,
        on_loan=0,
        lendable_copies=param("total_copies"),
        **{name: param(name) for name in (*ENTRY_COLUMNS, "id", "create_time", "update_time", "revision")},
    )
)
UPDATE = Statement(
    Book.update(
        **{name: param(name) for name in (*ENTRY_COLUMNS, "state", "update_time", "revision")},
    ).where(Book.id == param("id"))
)
FORGET_COVER = Statement(Book.update(cover_digest="").where(Book.id == param("id")))
DELETE_COVER = Statement(Cover.delete().where(Cover.book == Book.select(Book.key).where(Book.id == param("id"))))


def insert_books(
    books: Sequence[Mapping[str, object]], now: int, with_items: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Insert new books and their items within the present transaction, each with a revision of its own.

    Return the columns of the books. The caller inserts the items of the books whose ids are in `with_items`: as many
    as they have copies, all in service.
    """
    made_here = {"create_time": now, "update_time": now}
    rows = _write(INSERT, [{**made_here, "id": new_id(), **book} for book in books])
    add_copies({row["id"]: row["total_copies"] for row in rows if row["id"] not in with_items}, now)
    return rows


def update_books(
    books: Sequence[Mapping[str, object]], now: int, recounted: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Update books whose rows this transaction has locked, each with a revision of its own; return their columns.

    Args:
        books: All columns of `UPDATE`, but for time and revision.
        now: The time of the change, in microseconds since 1970.
        recounted: The ids of those whose number of copies has changed.
    """
    rows = _write(UPDATE, [{**book, "update_time": now} for book in books])
    removed = [row["id"] for row in rows if row["state"] == BOOK_STATE_REMOVED]
    withdraw_all(removed, now)
    delete_covers(removed)
    set_copies({row["id"]: row["total_copies"] for row in rows if row["id"] in recounted}, now)
    return rows


def save_book(row: Book, now: int, *, recounted: bool = True) -> None:
    """Save a book whose row this transaction has locked, with a revision of its own.

    With `recounted`, its items are made or withdrawn by its number of copies, all of them if it was removed.
    """
    row.update_time = now
    row.revision = take_revisions()
    row.save()
    if not recounted:
        return
    if row.state == BOOK_STATE_REMOVED:
        withdraw_all([row.id], now)
        delete_covers([row.id])
        row.cover_digest = ""
    else:
        set_copies({row.id: row.total_copies}, now)
    row.lendable_copies = Book.select(Book.lendable_copies).where(Book.id == row.id).scalar()


def delete_covers(book_ids: Collection[str]) -> None:
    """Delete the pictures of these books, whose rows this transaction has locked and which take a revision in it."""
    if book_ids:
        FORGET_COVER.many({"id": book_id} for book_id in book_ids)
        DELETE_COVER.many({"id": book_id} for book_id in book_ids)


def _write(statement: Statement, books: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    if not books:
        return []
    first = take_revisions(len(books))
    rows = [{**book, "revision": first + place} for place, book in enumerate(books)]
    statement.many(rows)
    learn(learnable(word for row in rows for word in str(row["words"]).split()))
    return rows


def refuse_taken_isbn(isbn: object, but: str = "") -> None:
    """Raise `IsbnTaken` when a book of the catalogue, other than `but`, has this ISBN."""
    if isbn:
        holder = Book.get_or_none(Book.isbn == isbn, HAS_ISBN, IN_CATALOGUE, Book.id != but)
        if holder is not None:
            raise IsbnTaken(book_id=holder.id, isbn=isbn)


def locked_book(store: Store, book_id: str) -> Book:
    """Read the book and lock its row until the transaction ends."""
    row: Book | None = store.locking(Book.select().where(Book.id == book_id)).first()
    if row is None:
        raise BookNotFound(book_id=book_id)
    return row


@contextmanager
def isbn_taken_meanwhile(store: Store, isbn: object, but: str = "") -> Iterator[None]:
    """Raise `IsbnTaken` where the unique index refuses an ISBN.

    On PostgreSQL two calls can both check the ISBN before either of them writes.
    """
    try:
        yield
    except peewee.IntegrityError:
        with store.reading():
            refuse_taken_isbn(normalized_isbn13(str(isbn)), but)
        raise
