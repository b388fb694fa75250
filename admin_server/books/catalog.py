"""Librarians add, change and remove books."""

from __future__ import annotations

from admin_server.books.entries import book_columns, changed_columns, check_update
from admin_server.books.messages import book_message, etag, expected_back_times
from admin_server.books.origins import typed
from admin_server.books.writing import insert_books, isbn_taken_meanwhile, locked_book, refuse_taken_isbn, save_book
from admin_server.inventory.copies import refuse_copies_out
from admin_server.store.models import Book
from library.admin.v1.catalog_service_pb2 import AddBookRequest, RemoveBookRequest, UpdateBookRequest
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED
from library_domain.book_fields import CHANGEABLE_FIELDS, FIELD_NAMES
from library_domain.errors import BookOnLoan, BookRemoved, EtagMismatch
from service_kit.clock import Clock
from service_kit.field_masks import masked_fields
from service_kit.idempotency import once
from service_kit.store import Store
from service_kit.unreadable import readable
from service_kit.vocabulary import learn, learnable


def add_book(store: Store, request: AddBookRequest, clock: Clock) -> book_pb2.Book:
    """Add a book. Raises `FieldInvalid` for wrong numbers, and `IsbnTaken`."""
    columns = book_columns(request)

    def add() -> book_pb2.Book:
        refuse_taken_isbn(columns["isbn"])
        (row,) = insert_books([columns], clock())
        return book_message(Book.get(Book.id == row["id"]))

    with isbn_taken_meanwhile(store, columns["isbn"]):
        return once(store, request, book_pb2.Book, add, clock)


def update_book(store: Store, request: UpdateBookRequest, clock: Clock) -> book_pb2.Book:
    """Change the fields that the mask names.

    Raises `FieldInvalid`, `BookNotFound`, `BookRemoved`, `IsbnTaken`, `CopiesOnLoan`, and `EtagMismatch` for a book
    that has changed since the request's etag.
    """
    check_update(request)
    book = request.book
    fields, _ = masked_fields(book, request.update_mask, CHANGEABLE_FIELDS)

    def update() -> book_pb2.Book:
        row = locked_book(store, book.id)
        if book.etag and book.etag != etag(row):
            raise EtagMismatch(book_id=book.id)
        if row.state == BOOK_STATE_REMOVED:
            raise BookRemoved(book_id=book.id)
        changed = changed_columns(row, book, fields)
        refuse_taken_isbn(changed["isbn"], but=row.id)
        refuse_copies_out(row, int(str(changed["total_copies"])))
        recounted = changed["total_copies"] != row.total_copies
        now = clock()
        different = [name for name in FIELD_NAMES if changed[name] != getattr(row, name)]
        changed["origins"] = typed(row.origins, different, now) if different else row.origins
        for name, value in changed.items():
            setattr(row, name, value)
        save_book(row, now, recounted=recounted)
        learn(learnable(row.words.split()))
        return book_message(row, expected_back_times([row]).get(row.id))

    with isbn_taken_meanwhile(store, book.isbn, but=book.id), readable("book", book.id):
        return once(store, request, book_pb2.Book, update, clock)


def remove_book(store: Store, request: RemoveBookRequest, clock: Clock) -> book_pb2.Book:
    """Remove a book; with copies on loan only if `withdraw` is set. Its row stays, for its loans and for the sync."""

    def remove() -> book_pb2.Book:
        row = locked_book(store, request.id)
        if row.state != BOOK_STATE_REMOVED:
            if row.on_loan and not request.withdraw:
                raise BookOnLoan(book_id=request.id, copies_out=row.on_loan)
            row.state = BOOK_STATE_REMOVED
            save_book(row, clock())
        return book_message(row, expected_back_times([row]).get(row.id))

    with readable("book", request.id):
        return once(store, request, book_pb2.Book, remove, clock)
