"""Gaps are filled from a real source on loopback: only what is empty, each book asked about once in 30 days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from admin_server.jobs import filling
from admin_server.jobs.filling import find_gaps
from admin_server.store.models import AskedBook
from admin_server.store.models import Book as BookRow
from library.admin.v1.catalog_service_pb2 import UNDO_RESULT_RESTORED
from library.v1.book_pb2 import Book
from service_kit.clock import DAY
from tests.support.admin import Admin
from tests.support.pictures import HTML
from tests.support.scheduled_library import Schedule, Subject, isbn_of, running_subject
from tests.support.source_server import answer, json_answer, not_found, running_source_server, too_many


@pytest.fixture
def subject() -> Iterator[Subject]:
    with running_subject(*range(1, 8)) as subject:
        yield subject


@pytest.fixture
def schedule(admin: Admin, subject: Subject) -> Schedule:
    return gap_schedule(admin, subject)


def gap_schedule(admin: Admin, subject: Subject, most: int = 100) -> Schedule:
    return Schedule(admin.store, admin.clock, subject.settings, queries=(), gap_interval=DAY, gap_most=most)


def next_day(admin: Admin) -> None:
    admin.clock.advance(days=1, seconds=1)


def looked_up(subject: Subject) -> list[str]:
    return [each.path for each in subject.server.asked() if each.path.startswith("/isbn/")]


def test_empty_fields_and_covers_are_filled_with_their_origins(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    subject.documents[1] |= {"publishers": ["Green & Sons"], "number_of_pages": 99}
    book = admin.add("Gardening one", isbn=isbn_of(1), publisher="Typed", copies=3)
    run = schedule.run()
    found = admin.get(book.id)
    assert (found.title, found.publisher, found.total_copies) == ("Gardening one", "Typed", 3)
    assert (found.description, found.page_count) == ("All about garden 1.", 99)
    assert found.cover_path
    assert {origin.field for origin in found.origins} >= {"description", "page_count"}
    assert "publisher" not in {origin.field for origin in found.origins}
    assert (run.query, run.found_count, run.updated_count, run.added_count) == ("gaps", 1, 1, 0)
    assert run.problem == ""


def test_only_books_with_an_isbn_and_a_gap_are_asked_about(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    admin.add("Without an ISBN")
    admin.add("Complete", isbn=isbn_of(2), description="Typed", cover_uri="https://library.example/2.jpg")
    admin.remove(admin.add("Removed", isbn=isbn_of(3)).id)
    lacks_cover = admin.add("No cover", isbn=isbn_of(4), description="Typed")
    lacks_description = admin.add("No description", isbn=isbn_of(5), cover_uri="https://library.example/5.jpg")
    schedule.run()
    assert looked_up(subject) == [f"/isbn/{isbn_of(4)}.json", f"/isbn/{isbn_of(5)}.json"]
    assert admin.get(lacks_cover.id).description == "Typed"
    assert admin.get(lacks_cover.id).cover_path
    found = admin.get(lacks_description.id)
    assert (found.description, found.cover_path) == ("All about garden 5.", "")
    assert found.cover_uri == "https://library.example/5.jpg"


def test_what_a_person_typed_or_cleared_is_never_overwritten(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    subject.documents[1] |= {"subtitle": "A subtitle", "publishers": ["Green & Sons"]}
    book = admin.add("Gardening", isbn=isbn_of(1), description="Wrong")
    admin.update(Book(id=book.id), "description")
    admin.update(Book(id=book.id, publisher="By hand"), "publisher")
    schedule.run()
    found = admin.get(book.id)
    assert (found.description, found.publisher, found.subtitle) == ("", "By hand", "A subtitle")


def test_a_book_is_asked_about_once_in_30_days(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    admin.add("Unknown there", isbn=isbn_of(99))
    for _ in range(29):
        schedule.run()
        next_day(admin)
    assert len(looked_up(subject)) == 1
    next_day(admin)
    schedule.run()
    assert len(looked_up(subject)) == 2


def test_runs_are_bounded_and_come_round_to_all_books(
    admin: Admin, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "KEYS", 2)
    schedule = gap_schedule(admin, subject, most=3)
    books = [admin.add(f"Gardening {number}", isbn=isbn_of(number)) for number in range(1, 8)]
    counts = []
    for _ in range(4):
        counts.append(schedule.run().updated_count)
        next_day(admin)
    assert counts == [3, 3, 1, 0]
    assert all(admin.get(book.id).cover_path for book in books)
    late = admin.add("Late", isbn=isbn_of(8))
    subject.add(8)
    schedule.run()
    next_day(admin)
    schedule.run()
    assert admin.get(late.id).cover_path


def test_the_search_for_gaps_is_bounded(admin: Admin, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "KEYS", 2)
    monkeypatch.setattr(filling, "MOST_KEYS", 4)
    schedule = gap_schedule(admin, subject)
    for number in range(1, 8):
        admin.add(f"Gardening {number}", isbn=isbn_of(number))
    work = schedule.jobs._work
    first, after = find_gaps(work, "open_library", 0, 100)
    assert [gap.isbn for gap in first] == [isbn_of(number) for number in range(1, 5)]
    second, end = find_gaps(work, "open_library", after, 100)
    assert [gap.isbn for gap in second] == [isbn_of(number) for number in range(5, 8)]
    assert end == 0


def test_a_run_is_undone(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    book = admin.add("Gardening", isbn=isbn_of(1))
    run = schedule.run()
    assert admin.get(book.id).description
    assert [outcome.result for outcome in admin.undo(run.id)] == [UNDO_RESULT_RESTORED]
    found = admin.get(book.id)
    assert (found.description, found.cover_path, list(found.origins)) == ("", "", [])


def test_a_bad_record_is_left_out_and_the_rest_is_filled(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    books = [admin.add(f"Gardening {number}", isbn=isbn_of(number)) for number in range(1, 6)]
    path = "/isbn/{}.json".format
    subject.faults[path(isbn_of(2))] = [answer(200, b"{ not json", {"Content-Type": "application/json"})]
    subject.faults[path(isbn_of(3))] = [not_found()]
    subject.faults["/b/id/4-L.jpg"] = [answer(200, HTML, {"Content-Type": "image/jpeg"})]
    run = schedule.run()
    assert [bool(admin.get(book.id).description) for book in books] == [True, False, False, True, True]
    assert [bool(admin.get(book.id).cover_path) for book in books] == [True, False, False, False, True]
    assert (run.updated_count, run.refused_count) == (3, 1)
    assert run.problem


def test_a_source_that_never_sends_json_ends_the_run_soon(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    for number in range(1, 40):
        admin.add(f"Gardening {number}", isbn=isbn_of(number))
    for number in range(1, 40):
        subject.faults[f"/isbn/{isbn_of(number)}.json"] = [json_answer("x" * 3_000_000)]
    run = schedule.run()
    assert run.problem
    assert len(looked_up(subject)) == 5


def test_a_source_that_fails_ends_the_run_and_what_was_filled_stays(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    books = [admin.add(f"Gardening {number}", isbn=isbn_of(number)) for number in range(1, 5)]
    subject.faults[f"/isbn/{isbn_of(3)}.json"] = [too_many("3600")]
    run = schedule.run()
    assert "429" in run.problem
    assert [bool(admin.get(book.id).description) for book in books] == [True, True, False, False]
    admin.clock.advance(seconds=3_601)
    run = schedule.run()
    assert (run.updated_count, run.problem) == (2, "")
    assert all(admin.get(book.id).description for book in books)


def test_a_picture_that_did_not_come_is_asked_for_again(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    book = admin.add("Gardening", isbn=isbn_of(1))
    subject.faults["/b/id/1-L.jpg"] = [answer(500, b"oops")] * 3
    assert "the cover was not fetched" in schedule.run().problem
    assert admin.get(book.id).description
    with admin.store.reading():
        assert AskedBook.select().count() == 0
    next_day(admin)
    schedule.run()
    assert admin.get(book.id).cover_path


def test_a_book_that_changed_meanwhile_is_left_alone(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    book = admin.add("Gardening", isbn=isbn_of(1))

    def change(write: object, request: object, stopped: object) -> None:
        admin.update(Book(id=book.id, isbn=isbn_of(50)), "isbn")
        json_answer({"key": "/books/OL1M", **subject.documents[1]})(write, request, stopped)  # type: ignore[arg-type]

    subject.faults[f"/isbn/{isbn_of(1)}.json"] = [change]
    run = schedule.run()
    found = admin.get(book.id)
    assert (found.isbn, found.description, found.cover_path) == (isbn_of(50), "", "")
    assert run.updated_count == 0


def test_a_server_of_pictures_that_is_left_alone_is_asked_again(
    admin: Admin, subject: Subject, schedule: Schedule
) -> None:
    books = [admin.add(f"Gardening {number}", isbn=isbn_of(number)) for number in (1, 2, 3)]
    with running_source_server() as covers:
        covers.on("/b/id/1-L.jpg", *[answer(500, b"oops")] * 3)
        another_host = covers.address.replace("127.0.0.1", "localhost")
        settings = replace(subject.settings, open_library_covers_address=another_host)
        other = Schedule(admin.store, admin.clock, settings, queries=(), gap_interval=DAY)
        assert other.run().updated_count == 3
    assert not any(admin.get(book.id).cover_path for book in books)
    next_day(admin)
    schedule.run()
    assert all(admin.get(book.id).cover_path for book in books)


def test_a_damaged_book_stops_no_other_one(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    books = [admin.add(f"Gardening {number}", isbn=isbn_of(number)) for number in (1, 2, 3)]
    with admin.store.writing():
        BookRow.update(origins="{").where(BookRow.id == books[1].id).execute()
    run = schedule.run()
    assert (run.updated_count, run.refused_count) == (2, 1)
    assert books[1].isbn in run.problem
    assert [bool(admin.get(books[place].id).cover_path) for place in (0, 2)] == [True, True]
