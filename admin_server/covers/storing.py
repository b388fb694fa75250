"""Store the picture of a book's cover, and read it.

The change of the book takes a revision, so that the frontend receives the path.
"""

from __future__ import annotations

from enum import Enum, auto

from google.api.httpbody_pb2 import HttpBody

from admin_server.books.messages import book_message, etag
from admin_server.books.writing import locked_book, save_book
from admin_server.covers.pictures import Picture
from admin_server.intake import runs
from admin_server.store.models import IN_CATALOGUE, Book, Cover
from library.admin.v1.catalog_service_pb2 import ImportOptions
from library.v1.book_pb2 import BOOK_STATE_REMOVED
from library_domain.errors import BookNotFound
from library_domain.import_errors import CoverNotFound
from service_kit.change_record import record_change
from service_kit.clock import Clock
from service_kit.statements import Statement, param
from service_kit.store import Store
from service_kit.unreadable import readable

DIGITS = 8
"""Digits of a digest in a path: a changed picture has another path, so that no cache returns the former one."""

FIND = Statement(
    Cover.select(Cover.content_type, Cover.picture)
    .join(Book, on=Cover.book == Book.key)
    .where(Book.id == param("book_id"))
)
SAVE = Statement(
    Cover.insert(
        **{name: param(name) for name in ("book", "content_type", "picture", "digest", "address", "create_time")}
    )
)


class Stored(Enum):
    """What became of a picture."""

    STORED = auto()
    HAS_COVER = auto()
    """The book has a picture, or the address of one that somebody typed: it is kept."""
    REMOVED = auto()
    """The book was removed meanwhile."""


def has_cover(row: Book) -> bool:
    """Return whether a book has a picture, or the address of one."""
    return bool(row.cover_digest or row.cover_uri)


def lacks_cover(store: Store, book_id: str) -> bool:
    """Return whether a book of the catalogue has neither a picture nor the address of one."""
    with store.reading():
        return bool(
            Book.select(Book.key)
            .where(Book.id == book_id, IN_CATALOGUE, Book.cover_digest == "", Book.cover_uri == "")
            .exists()
        )


def store_cover(
    store: Store, book_id: str, picture: Picture, address: str, clock: Clock, options: ImportOptions | None = None
) -> Stored:
    """Store the picture of a book that has none, in one transaction with the change of the book.

    Args:
        store: The admin's store.
        book_id: The book's id.
        picture: A checked picture.
        address: Where it was fetched.
        clock: When it is stored, in microseconds since 1970.
        options: Those of the import run that the picture belongs to: undoing the run removes the picture.

    Raises:
        BookNotFound: There is no such book.
        ImportRunUndone: The run was undone meanwhile.
    """
    with store.writing(), readable("book", book_id):
        run = runs.open_run(store, options, clock()) if options is not None else None
        row = locked_book(store, book_id)
        if row.state == BOOK_STATE_REMOVED:
            return Stored.REMOVED
        if has_cover(row):
            return Stored.HAS_COVER
        now, before = clock(), etag(row)
        SAVE.rows(
            book=row.key,
            content_type=picture.content_type,
            picture=picture.data,
            digest=picture.digest,
            address=address,
            create_time=now,
        )
        row.cover_digest = picture.digest[:DIGITS]
        save_book(row, now, recounted=False)
        if run is not None:
            runs.remember(run, [], [runs.Effect(row.id, before, etag(row), {"cover_digest": ""})], now)
        record_change(book_message(row))
        return Stored.STORED


def get_cover(store: Store, book_id: str) -> HttpBody:
    """Return the picture of a book's cover. Raises `BookNotFound` and `CoverNotFound`."""
    with store.reading():
        found = FIND.row(book_id=book_id)
        if found is not None:
            content_type, picture = found
            return HttpBody(content_type=content_type, data=bytes(picture))
        if not Book.select(Book.key).where(Book.id == book_id).exists():
            raise BookNotFound(book_id=book_id)
    raise CoverNotFound(book_id=book_id)
