"""Each field in the table of a book's fields is added, changed by the mask, returned, imported and undone."""

from __future__ import annotations

from admin_server.books.catalog import add_book
from library.admin.v1.catalog_service_pb2 import ON_DUPLICATE_UPDATE, ImportOptions
from library.v1.book_pb2 import Book
from library_domain.book_fields import BOOK_FIELDS
from service_kit.ids import new_id
from tests.support.admin import Admin
from tests.support.book_values import book_value, full_request


def values_of(book: Book) -> dict[str, object]:
    return {field.name: getattr(book, field.name) for field in BOOK_FIELDS}


def expected(which: int) -> dict[str, object]:
    return {field.name: book_value(field, which) for field in BOOK_FIELDS}


def test_each_field_is_added_and_changed_on_its_own(admin: Admin) -> None:
    [outcome] = admin.import_rows(full_request(0))
    assert values_of(admin.get(outcome.book_id)) == expected(0)
    for field in BOOK_FIELDS:
        before = values_of(admin.get(outcome.book_id))
        other = Book(id=outcome.book_id, **{each.name: book_value(each, 1) for each in BOOK_FIELDS})
        changed = values_of(admin.update(other, field.name))
        assert changed == {**before, field.name: book_value(field, 1)}
        assert values_of(admin.get(outcome.book_id)) == changed


def test_each_field_is_updated_by_an_import_and_undone(admin: Admin) -> None:
    book = add_book(admin.store, full_request(0), admin.clock)
    assert values_of(book) == expected(0)
    row = full_request(1)
    row.isbn = book.isbn
    run = ImportOptions(on_duplicate=ON_DUPLICATE_UPDATE, run_id=new_id())
    [outcome] = admin.import_rows(row, options=run)
    assert {change.field for change in outcome.changes} == {field.input_name for field in BOOK_FIELDS} - {"isbn"}
    assert values_of(admin.get(book.id)) == {**expected(1), "isbn": book.isbn}
    admin.undo(run.run_id)
    assert values_of(admin.get(book.id)) == expected(0)
