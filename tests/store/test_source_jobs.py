"""The schedule imports from a real source on loopback: each book once, none that was removed, and no fault stops it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from admin_server.jobs.catalogues import AskedCatalogue
from admin_server.jobs.lease import LeaseLost
from admin_server.jobs.runs import INTERRUPTED, begin_run
from admin_server.jobs.work import Page
from admin_server.store.models import SourceJob, SourceLease
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from service_kit.clock import DAY, SECOND
from tests.support.admin import Admin
from tests.support.pictures import HTML
from tests.support.scheduled_library import QUERY, SUBJECT, Schedule, Subject, isbn_of, key_of, running_subject
from tests.support.source_server import answer, cut, json_answer, not_found, redirect, too_many


@pytest.fixture
def subject() -> Iterator[Subject]:
    with running_subject(*range(1, 8)) as subject:
        yield subject


@pytest.fixture
def schedule(admin: Admin, subject: Subject) -> Schedule:
    return Schedule(admin.store, admin.clock, subject.settings, import_most=50)


def next_day(admin: Admin) -> None:
    admin.clock.advance(days=1, seconds=1)


def titles(admin: Admin) -> list[str]:
    return sorted(admin.titles())


def gardening(*numbers: int) -> list[str]:
    return [f"Gardening {number}" for number in numbers]


def test_a_run_adds_the_books_of_a_query_with_origins_and_covers(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    run = schedule.run()
    assert titles(admin) == gardening(*range(1, 8))
    assert (run.source, run.query, run.problem) == ("open_library", SUBJECT, "")
    assert (run.found_count, run.added_count, run.refused_count) == (7, 7, 0)
    assert run.HasField("end_time")
    for book in admin.books():
        assert book.description.startswith("All about garden")
        assert book.cover_path
        assert book.total_copies == 1
        assert {origin.source for origin in book.origins} == {"open_library"}
        assert {origin.field for origin in book.origins} >= {"title", "isbn", "description"}
    [imported] = admin.import_runs()
    assert (imported.id, imported.added_count, imported.source) == (run.id, 7, QUERY.name)


def test_nothing_runs_before_it_is_due_and_a_missed_run_is_made_up_once(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    schedule.run()
    asked = len(subject.server.requests)
    admin.clock.advance(days=0.99)
    schedule.run()
    assert len(schedule.runs()) == 1
    assert len(subject.server.requests) == asked
    admin.clock.advance(days=30)
    schedule.run()
    schedule.run()
    assert len(schedule.runs()) == 2


@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_was_wrong_stops_nothing(admin: Admin, schedule: Schedule, days: int) -> None:
    schedule.run()
    admin.clock.advance(days=days)
    schedule.run()
    admin.clock.advance(days=-days)
    for _ in range(3):
        next_day(admin)
        schedule.run()
    assert len(schedule.runs()) >= 4
    assert len(admin.titles()) == 7


def test_the_next_run_finds_new_books_and_adds_none_twice(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    schedule.run()
    subject.add(100)
    next_day(admin)
    run = schedule.run()
    assert (run.found_count, run.added_count, run.already_there_count) == (8, 1, 7)
    assert titles(admin) == gardening(1, 100, *range(2, 8))


def test_runs_are_bounded_and_go_on_where_the_last_one_ended(admin: Admin, subject: Subject) -> None:
    for number in range(8, 41):
        subject.add(number)
    schedule = Schedule(admin.store, admin.clock, subject.settings, import_most=15)
    added = []
    for _ in range(4):
        added.append(schedule.run().added_count)
        next_day(admin)
    assert added == [15, 15, 10, 0]
    assert len(set(admin.titles())) == len(admin.titles()) == 40


def test_books_without_an_isbn_are_known_by_their_id(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    for number in subject.documents:
        subject.add(number, isbn=False)
    assert schedule.run().added_count == 7
    next_day(admin)
    run = schedule.run()
    assert (run.added_count, run.already_there_count) == (0, 7)
    assert len(admin.titles()) == 7


@pytest.mark.parametrize("has_isbn", [True, False])
def test_a_book_that_was_removed_stays_removed(
    admin: Admin, schedule: Schedule, subject: Subject, has_isbn: bool
) -> None:
    for number in subject.documents:
        subject.add(number, isbn=has_isbn)
    schedule.run()
    for book in admin.books()[:3]:
        admin.remove(book.id)
    for _ in range(2):
        next_day(admin)
        assert schedule.run().added_count == 0
    assert len(admin.titles()) == 4


def test_a_book_that_the_library_had_by_itself_and_removed_does_not_come(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    admin.remove(admin.add("Typed here", isbn=isbn_of(3)).id)
    assert schedule.run().added_count == 6
    assert titles(admin) == gardening(1, 2, 4, 5, 6, 7)


def test_a_run_is_undone_with_its_covers_and_the_books_stay_away(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    kept = admin.add("Typed here", isbn=isbn_of(1))
    run = schedule.run()
    assert len(admin.undo(run.id)) == 6
    assert admin.titles() == ["Typed here"]
    assert admin.get(kept.id) == kept
    next_day(admin)
    assert schedule.run().added_count == 0
    assert admin.titles() == ["Typed here"]


def test_a_bad_record_is_left_out_and_the_rest_goes_in(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    subject.documents[2]["title"] = ""
    subject.documents[4]["title"] = "x" * 10_000
    subject.faults["/books/OL5M.json"] = [json_answer("not a book")]
    subject.faults["/books/OL6M.json"] = [answer(200, b"{ not json", {"Content-Type": "application/json"})]
    run = schedule.run()
    assert run.found_count == 7
    assert run.added_count + run.refused_count == 7
    assert run.refused_count >= 2
    assert run.problem
    assert set(gardening(1, 3, 7)) <= set(titles(admin))


BAD_COVERS = {
    "HTML": answer(200, HTML, {"Content-Type": "image/jpeg"}),
    "not there": not_found(),
    "cut": cut,
    "inwards": redirect("http://169.254.169.254/latest/meta-data"),
}


@pytest.mark.parametrize("name", BAD_COVERS)
def test_a_bad_cover_fails_no_import(admin: Admin, schedule: Schedule, subject: Subject, name: str) -> None:
    subject.faults["/b/id/3-L.jpg"] = [BAD_COVERS[name]] * 5
    run = schedule.run()
    assert run.added_count == 7
    assert [book.title for book in admin.books() if not book.cover_path] == gardening(3)
    assert "OL3M: the cover was not " in run.problem


def test_a_source_that_fails_is_left_alone_and_asked_again_later(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    subject.faults["/search.json"] = [too_many("7200")]
    run = schedule.run()
    assert "429" in run.problem
    assert run.HasField("end_time")
    asked = len(subject.server.requests)
    for _ in range(5):
        schedule.run()
        admin.clock.advance(seconds=1_000)
    assert len(subject.server.requests) == asked
    assert len(schedule.runs()) == 1
    [source] = [each for each in schedule.sources() if each.name == "open_library"]
    assert "429" in source.problem
    admin.clock.advance(seconds=7_200)
    assert schedule.run().added_count == 7


def test_pauses_of_a_job_that_fails_grow_up_to_its_interval(
    admin: Admin, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = Schedule(admin.store, admin.clock, subject.settings)
    monkeypatch.setattr("admin_server.jobs.schedule.import_query", _failing)
    began = []
    for _ in range(3 * 144):
        before = len(schedule.runs())
        schedule.jobs.run_due()
        if len(schedule.runs()) > before:
            began.append(admin.clock.now)
        admin.clock.advance(seconds=600)
    pauses = [(later - earlier) // SECOND for earlier, later in itertools.pairwise(began)]
    assert pauses[:4] == [600, 1_200, 2_400, 4_800]
    assert max(pauses) <= DAY // SECOND


def _failing(*_: object) -> None:
    raise RuntimeError("a fault of this program")


def test_a_fault_of_this_program_is_shown_without_its_text(
    admin: Admin, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = Schedule(admin.store, admin.clock, subject.settings)
    monkeypatch.setattr("admin_server.jobs.schedule.import_query", _failing)
    assert schedule.run().problem == "it failed in an unexpected way; the log of this server has more"


def test_what_a_killed_process_left_open_is_closed_and_made_up(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    other = Schedule(admin.store, admin.clock, subject.settings)
    lease = other.jobs._work.lease
    assert lease._take()
    begin_run(admin.store, lease, QUERY, admin.clock)
    assert schedule.run().HasField("end_time") is False, "the other process may still be at work"
    done = threading.Event()
    for _ in range(1_000):
        schedule.jobs.run_due()
        if len(schedule.runs()) > 1 or done.wait(0.1):
            break
    newest, left_open = schedule.runs()
    assert left_open.problem == INTERRUPTED
    assert left_open.HasField("end_time")
    assert newest.added_count == 7
    with pytest.raises(LeaseLost), admin.store.writing():
        lease.keep()


def test_a_process_that_lost_the_lease_changes_nothing(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    def take_over(write: object, request: object, stopped: object) -> None:
        with admin.store.writing():
            SourceLease.update(owner="another", beat=SourceLease.beat + 1).execute()
        not_found()(write, request, stopped)  # type: ignore[arg-type]

    subject.faults["/books/OL7M.json"] = [take_over]
    schedule.jobs.run_due()
    assert admin.titles() == []
    [run] = schedule.runs()
    assert not run.HasField("end_time")
    assert run.found_count == 0
    with admin.store.reading():
        assert SourceJob.select().count() == 0


def test_a_run_that_is_stopped_is_made_up_after_the_next_start(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    def stop(write: object, request: object, stopped: object) -> None:
        schedule.jobs._work.stop.set()
        not_found()(write, request, stopped)  # type: ignore[arg-type]

    subject.faults["/books/OL2M.json"] = [stop]
    run = schedule.run()
    assert run.problem == INTERRUPTED
    assert run.HasField("end_time")
    restarted = Schedule(admin.store, admin.clock, subject.settings)
    assert restarted.run().added_count == 7


def test_books_that_a_librarian_removes_while_they_are_imported_stay_removed(
    admin: Admin, schedule: Schedule, subject: Subject
) -> None:
    book = admin.add("Typed here", isbn=isbn_of(4))

    def remove(write: object, request: object, stopped: object) -> None:
        admin.remove(book.id)
        json_answer({"key": key_of(5), **subject.documents[5]})(write, request, stopped)  # type: ignore[arg-type]

    subject.faults["/books/OL5M.json"] = [remove]
    schedule.run()
    assert titles(admin) == gardening(1, 2, 3, 5, 6, 7)
    assert admin.get(book.id).state == BOOK_STATE_REMOVED


def test_a_book_is_not_changed_by_a_query(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    book = admin.add("Typed here", isbn=isbn_of(4))
    schedule.run()
    assert admin.get(book.id) == book


def test_sources_are_listed_with_what_is_missing_and_what_they_brought(admin: Admin, schedule: Schedule) -> None:
    open_library, google = schedule.sources()
    assert open_library.is_set_up
    assert list(open_library.schedules) == [SUBJECT]
    assert open_library.next_run_time.ToMicroseconds() == admin.clock.now
    assert not google.is_set_up
    assert "google-books-key-file" in google.problem
    assert not google.HasField("next_run_time")
    run = schedule.run()
    open_library, _ = schedule.sources()
    assert [each.id for each in open_library.last_runs] == [run.id]
    assert open_library.next_run_time.ToMicroseconds() == admin.clock.now + DAY


def test_a_book_that_was_changed_keeps_its_cover(admin: Admin, schedule: Schedule) -> None:
    schedule.run()
    book = admin.books()[0]
    assert admin.update(Book(id=book.id, title="Renamed"), "title").cover_path == book.cover_path


def test_a_record_that_comes_twice_is_one_book(admin: Admin, schedule: Schedule, subject: Subject) -> None:
    for number in subject.documents:
        subject.add(number, isbn=False)
    subject.documents |= {number + 10: document for number, document in subject.documents.items()}
    run = schedule.run()
    assert (run.found_count, run.added_count, run.already_there_count) == (14, 7, 7)
    assert titles(admin) == gardening(*range(1, 8))


def test_results_that_are_no_records_are_counted_among_those_that_a_run_reads(
    admin: Admin, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = Schedule(admin.store, admin.clock, subject.settings, import_most=5)
    asked = 0

    def page(*_: object) -> Page:
        nonlocal asked
        asked += 1
        assert asked <= 10, "the run does not end"
        return Page([], 5)

    monkeypatch.setattr(AskedCatalogue, "page", page)
    run = schedule.run()
    assert (asked, run.found_count, run.problem) == (10, 0, "")
