"""Pictures of covers in the store: with the book's row or not at all, in the feed, and gone with the book."""

from __future__ import annotations

import threading

import pytest
from google.api.httpbody_pb2 import HttpBody

from admin_server.covers.pictures import Picture, checked_cover
from admin_server.covers.storing import Stored, get_cover, store_cover
from admin_server.store.models import Cover
from library.admin.v1.catalog_service_pb2 import (
    ON_DUPLICATE_SKIP,
    UNDO_RESULT_CHANGED_SINCE,
    UNDO_RESULT_REMOVED,
    UNDO_RESULT_RESTORED,
    AddBookRequest,
    ImportOptions,
)
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from library_domain.errors import BookNotFound, ImportRunUndone
from library_domain.import_errors import CoverNotFound
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.pictures import picture

ADDRESS = "https://covers.example/b/id/1-L.jpg"


def clean(number: int = 0) -> Picture:
    found = checked_cover(picture(number=number))
    assert found is not None
    return found


def stored(admin: Admin, book: Book, number: int = 0, options: ImportOptions | None = None) -> Stored:
    return store_cover(admin.store, book.id, clean(number), ADDRESS, admin.clock, options)


def options_of(run_id: str) -> ImportOptions:
    return ImportOptions(run_id=run_id, on_duplicate=ON_DUPLICATE_SKIP, source="open_library")


def newest_change(admin: Admin) -> Book:
    changes = [change.book for change in admin.all_changes()[0] if change.HasField("book")]
    return changes[-1]


def cover_count(store: Store) -> int:
    with store.reading():
        return Cover.select().count()


def test_a_book_gets_a_picture_and_the_feed_its_path(admin: Admin) -> None:
    book, other = admin.add("Neuromancer"), admin.add("Count Zero")
    assert book.cover_path == ""
    admin.clock.advance(seconds=1)
    assert stored(admin, book) is Stored.STORED
    found = admin.get(book.id)
    assert found.cover_path == f"/admin/v1/books/{book.id}/cover?v={clean().digest[:8]}"
    assert found.etag != book.etag
    assert newest_change(admin).cover_path == found.cover_path
    assert newest_change(admin).id == book.id
    assert get_cover(admin.store, book.id) == HttpBody(content_type="image/jpeg", data=clean().data)
    with pytest.raises(CoverNotFound):
        get_cover(admin.store, other.id)
    with pytest.raises(BookNotFound):
        get_cover(admin.store, new_id())


def test_a_picture_stays_when_the_book_is_changed(admin: Admin) -> None:
    book = admin.add("Neuromancer")
    stored(admin, book)
    changed = admin.update(Book(id=book.id, title="Neuromancer, again"), "title")
    assert changed.cover_path == admin.get(book.id).cover_path != ""


def test_a_picture_and_an_address_that_was_typed_are_kept(admin: Admin) -> None:
    book, typed = admin.add("Neuromancer"), admin.add("Count Zero", cover_uri="https://library.example/zero.jpg")
    stored(admin, book)
    before = admin.get(book.id), admin.get(typed.id)
    assert stored(admin, book, 1) is Stored.HAS_COVER
    assert stored(admin, typed) is Stored.HAS_COVER
    assert (admin.get(book.id), admin.get(typed.id)) == before
    assert cover_count(admin.store) == 1


def test_a_picture_is_deleted_with_its_book(admin: Admin) -> None:
    book, other = admin.add("Neuromancer"), admin.add("Count Zero")
    stored(admin, book)
    stored(admin, other, 1)
    assert admin.remove(book.id).cover_path == ""
    assert newest_change(admin).state == BOOK_STATE_REMOVED
    assert newest_change(admin).cover_path == ""
    with pytest.raises(CoverNotFound):
        get_cover(admin.store, book.id)
    assert get_cover(admin.store, other.id).data == clean(1).data
    assert stored(admin, book) is Stored.REMOVED
    assert cover_count(admin.store) == 1


def test_a_run_is_undone_with_the_pictures_that_came_after_its_rows(admin: Admin) -> None:
    run_id = new_id()
    [outcome] = admin.import_rows(AddBookRequest(title="Neuromancer"), options=options_of(run_id))
    assert stored(admin, admin.get(outcome.book_id), options=options_of(run_id)) is Stored.STORED
    assert [undone.result for undone in admin.undo(run_id)] == [UNDO_RESULT_REMOVED]
    assert cover_count(admin.store) == 0


def test_undoing_a_run_removes_the_picture_of_a_book_that_was_there_before(admin: Admin) -> None:
    book, run_id = admin.add("Neuromancer", publisher="Ace"), new_id()
    assert stored(admin, book, options=options_of(run_id)) is Stored.STORED
    assert [undone.result for undone in admin.undo(run_id)] == [UNDO_RESULT_RESTORED]
    found = admin.get(book.id)
    assert (found.cover_path, found.publisher, found.title) == ("", "Ace", "Neuromancer")
    assert newest_change(admin).cover_path == ""
    assert cover_count(admin.store) == 0
    with pytest.raises(ImportRunUndone):
        stored(admin, book, options=options_of(run_id))


def test_a_book_that_was_changed_after_its_picture_is_left_alone_by_the_undo(admin: Admin) -> None:
    book, run_id = admin.add("Neuromancer"), new_id()
    stored(admin, book, options=options_of(run_id))
    admin.update(Book(id=book.id, title="Neuromancer, again"), "title")
    assert [undone.result for undone in admin.undo(run_id)] == [UNDO_RESULT_CHANGED_SINCE]
    assert cover_count(admin.store) == 1


def test_of_many_who_store_a_picture_one_does(admin: Admin) -> None:
    book = admin.add("Neuromancer")
    found: list[Stored] = []
    threads = [threading.Thread(target=lambda n=n: found.append(stored(admin, book, n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.name for each in found) == ["HAS_COVER"] * 7 + ["STORED"]
    data = get_cover(admin.store, book.id).data
    [digest] = [clean(number).digest for number in range(8) if clean(number).data == data]
    assert admin.get(book.id).cover_path.endswith(f"?v={digest[:8]}")
