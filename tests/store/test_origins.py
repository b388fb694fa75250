"""Where values came from: what a person typed or cleared is never overwritten by a source."""

from __future__ import annotations

from typing import Any

from admin_server.books.origins import NO_ORIGINS, fillable, noted, origin_messages, typed
from admin_server.books.writing import update_books
from admin_server.store.models import Book as BookRow
from library.admin.v1.catalog_service_pb2 import ON_DUPLICATE_UPDATE, AddBookRequest, ImportOptions
from library.v1.book_pb2 import Book
from service_kit.ids import new_id
from tests.support.admin import Admin
from tests.support.isbns import isbn13

FOUND: dict[str, object] = {"description": "From the source.", "publisher": "Source", "page_count": 9, "subjects": "[]"}


def filled(admin: Admin, book_id: str, source: str = "open_library") -> dict[str, object]:
    """Fill a book as a source does; return what was written."""
    with admin.store.writing():
        row = BookRow.get(BookRow.id == book_id)
        columns: dict[str, Any] = dict(row.__data__)
        values = fillable(columns, row.origins, FOUND)
        now = admin.clock()
        update_books([{**columns, **values, "origins": noted(row.origins, values, source, now)}], now)
    return values


def sources(book: Book) -> dict[str, str]:
    return {origin.field: origin.source for origin in book.origins}


def test_a_source_fills_what_is_empty_and_notes_it(admin: Admin) -> None:
    book = admin.add("Emma", publisher="Typed")
    assert filled(admin, book.id) == {"description": "From the source.", "page_count": 9}
    after = admin.get(book.id)
    assert (after.publisher, after.description, after.page_count) == ("Typed", "From the source.", 9)
    assert sources(after) == {"page_count": "open_library", "description": "open_library"}
    assert after.origins[0].time.ToMicroseconds() <= admin.clock()
    assert filled(admin, book.id, "google_books").keys() == {"description", "page_count"}
    assert sources(admin.get(book.id)) == {"page_count": "google_books", "description": "google_books"}


def test_what_a_person_typed_over_a_source_stays(admin: Admin) -> None:
    book = admin.add("Emma")
    filled(admin, book.id)
    after = admin.update(Book(id=book.id, description="Typed"), "description")
    assert "description" not in sources(after)
    assert "description" not in filled(admin, book.id)
    assert admin.get(book.id).description == "Typed"


def test_a_field_that_a_person_cleared_stays_empty(admin: Admin) -> None:
    book = admin.add("Emma", publisher="Typed")
    filled(admin, book.id)
    admin.update(Book(id=book.id), "description", "publisher")
    assert filled(admin, book.id).keys() == {"page_count"}
    after = admin.get(book.id)
    assert (after.description, after.publisher) == ("", "")
    assert sources(after) == {"page_count": "open_library"}


def test_an_update_without_changes_notes_nothing(admin: Admin) -> None:
    book = admin.add("Emma")
    filled(admin, book.id)
    before = admin.get(book.id)
    assert sources(admin.update(before, "*")) == sources(before) != {}
    assert filled(admin, book.id).keys() == {"description", "publisher", "page_count"}


def test_a_file_that_changes_a_value_is_its_origin_and_the_undo_restores_the_earlier_one(admin: Admin) -> None:
    book = admin.add("Emma", isbn=isbn13(1))
    filled(admin, book.id)
    options = ImportOptions(on_duplicate=ON_DUPLICATE_UPDATE, run_id=new_id())
    admin.import_rows(AddBookRequest(title="Emma", isbn=isbn13(1), description="From the file."), options=options)
    assert sources(admin.get(book.id))["description"] == "import"
    assert "description" not in filled(admin, book.id)
    admin.update(Book(id=book.id, language="en"), "language")
    book = admin.add("Kim", isbn=isbn13(2))
    filled(admin, book.id)
    options = ImportOptions(on_duplicate=ON_DUPLICATE_UPDATE, run_id=new_id())
    admin.import_rows(AddBookRequest(title="Kim", isbn=isbn13(2), description="From the file."), options=options)
    admin.undo(options.run_id)
    after = admin.get(book.id)
    assert (after.description, sources(after)["description"]) == ("From the source.", "open_library")


def test_origins_are_not_in_the_feed(admin: Admin) -> None:
    book = admin.add("Emma")
    filled(admin, book.id)
    changes, _ = admin.changes()
    assert [(change.book.description, list(change.book.origins)) for change in changes] == [("From the source.", [])]


def test_the_rules_of_the_column() -> None:
    origins = noted(NO_ORIGINS, ["title"], "open_library", 1)
    origins = typed(noted(origins, ["isbn"], "import", 2), ["publisher"], 3)
    assert [(each.field, each.source) for each in origin_messages(origins)] == [
        ("title", "open_library"),
        ("isbn", "import"),
    ]
    columns = {"title": "T", "isbn": "", "publisher": "", "language": "", "category": "C", "subjects": "[]"}
    values = dict.fromkeys(columns, "new")
    assert fillable(columns, origins, values).keys() == {"title", "isbn", "language", "subjects"}
    assert fillable(columns, origins, {"title": "", "subjects": "[]", "page_count": 0}) == {}
    assert noted(NO_ORIGINS, [], "open_library", 1) == NO_ORIGINS


def test_a_text_that_looks_like_an_empty_number_or_list_is_a_value() -> None:
    typed_values = {"volume": "0", "description": "[]", "series": "0"}
    assert fillable(typed_values, NO_ORIGINS, dict.fromkeys(typed_values, "new")) == {}
    assert fillable({}, NO_ORIGINS, {"volume": "0"}) == {"volume": "0"}
