"""The sync carries each field of a book to the frontend."""

from __future__ import annotations

from admin_server.books.catalog import add_book
from frontend_server.browse.catalog import get_book
from library_domain.book_fields import BOOK_FIELDS
from tests.support.book_values import book_value, full_request
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Library


def test_each_field_reaches_the_frontend(databases: FreshDatabases, engine: Engine) -> None:
    library = Library(databases, engine)
    try:
        with library.admin.at_work() as store:
            added = add_book(store, full_request(0), library.clock)
        library.pull()
        with library.frontend.at_work() as store:
            book = get_book(store, added.id)
    finally:
        library.close()
    for field in BOOK_FIELDS:
        assert getattr(book, field.name) == book_value(field, 0), field.name
