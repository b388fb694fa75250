"""Books of other catalogues: what is searched and imported, and that faults change nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.books.catalog import update_book
from admin_server.sources.catalogues import MOST_LOOK_UPS, Catalogues
from admin_server.sources.importing import import_external_book
from admin_server.sources.searching import search_external_books
from admin_server.store.models import Book, ExternalAnswer, ExternalBook, ExternalSource
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_COPIES_ADDED,
    IMPORT_RESULT_UPDATED,
    UpdateBookRequest,
)
from library.admin.v1.import_service_pb2 import (
    ImportExternalBookRequest,
    ImportExternalBookResponse,
    SearchExternalBooksRequest,
    SearchExternalBooksResponse,
)
from library.v1 import book_pb2
from library.v1.book_pb2 import (
    IDENTIFIER_TYPE_ISBN,
    IDENTIFIER_TYPE_LCCN,
    IDENTIFIER_TYPE_OCLC,
    IDENTIFIER_TYPE_OTHER,
    Contributor,
    Identifier,
)
from library_domain.import_errors import (
    ExternalBookInvalid,
    ExternalBookNotFound,
    SourceNotSetUp,
    SourceUnavailable,
)
from service_kit.clock import DAY, SECOND, timestamp
from service_kit.errors import FieldInvalid, RequestIdReused, ServerBusy
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support import source_server
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.external_catalogues import (
    DISPOSSESSED,
    EDITION,
    KEY,
    NEUROMANCER,
    NEUROMANCER_10,
    SEARCH_DOCUMENT,
    VOLUME,
    WORK,
    OutsideTime,
    catalogues_for,
    changed,
    serve_google_books,
    serve_open_library,
    settings_for,
)
from tests.support.source_server import SourceServer, answer, json_answer, running_source_server


@dataclass
class LookUps:
    """An admin that asks two servers on loopback."""

    admin: Admin
    store: Store
    clock: SettableClock
    catalogues: Catalogues
    time: OutsideTime
    open_library: SourceServer
    google_books: SourceServer

    def search(self, query: str, **fields: Any) -> SearchExternalBooksResponse:
        return search_external_books(self.store, SearchExternalBooksRequest(query=query, **fields), self.catalogues)

    def add(self, isbn: str = "", **fields: Any) -> ImportExternalBookResponse:
        request = ImportExternalBookRequest(isbn=isbn, **fields)
        return import_external_book(self.store, request, self.catalogues, self.clock)

    def books(self) -> list[book_pb2.Book]:
        return self.admin.books()

    def rows(self) -> tuple[int, int]:
        """How many books and links to sources the store has."""
        with self.store.reading():
            return Book.select().count(), ExternalBook.select().count()


@pytest.fixture
def look_ups(admin: Admin, admin_store: Store, clock: SettableClock, tmp_path: Path) -> Iterator[LookUps]:
    with running_source_server() as open_library, running_source_server() as google_books:
        serve_open_library(open_library)
        serve_google_books(google_books)
        settings = settings_for(open_library, google_books, tmp_path)
        catalogues, outside_time = catalogues_for(admin_store, settings, clock)
        yield LookUps(admin, admin_store, clock, catalogues, outside_time, open_library, google_books)


def test_search_returns_what_addbook_would_take(look_ups: LookUps) -> None:
    found = look_ups.search("  neuromancer: AND (gibson) ")
    first, second = found.external_books
    assert (first.source, first.external_id, first.book_id) == ("open_library", "OL7353617M", "")
    assert first.book.title == "Neuromancer"
    assert list(first.book.authors) == ["William Gibson"]
    assert (first.book.isbn, first.book.published_year, first.book.language) == (NEUROMANCER, 1984, "en")
    assert first.cover_uri == f"{look_ups.open_library.address}/covers/b/id/283860-L.jpg?default=false"
    assert (second.source, second.external_id, second.book.isbn) == ("google_books", "IDFfMPW32hQC", DISPOSSESSED)
    assert second.cover_uri == "https://books.google.com/books/content?id=IDFfMPW32hQC&zoom=1"
    (asked,) = look_ups.open_library.asked("/search.json")
    assert (asked.query["q"], asked.query["limit"]) == ("neuromancer and gibson", "10")
    assert asked.headers["user-agent"] == "LendingLibrary/0.1 (desk@library.example)"
    assert "x-goog-api-key" not in asked.headers
    (asked,) = look_ups.google_books.asked("/books/v1/volumes")
    assert (asked.query["q"], asked.query["maxResults"]) == ("neuromancer AND (gibson)", "10")
    assert asked.headers["x-goog-api-key"] == KEY
    added = look_ups.admin.add("Neuromancer", isbn=NEUROMANCER)
    again = look_ups.search("  neuromancer: AND (gibson) ").external_books  # the answers were kept, the ids were not
    assert [book.book_id for book in again] == [added.id, ""]


def test_same_search_asks_once_a_day(look_ups: LookUps) -> None:
    for _ in range(3):
        look_ups.search("neuromancer")
    assert len(look_ups.open_library.asked("/search.json")) == 1
    look_ups.clock.advance(days=1.01)
    look_ups.search("neuromancer")
    assert len(look_ups.open_library.asked("/search.json")) == 2


def test_what_a_source_does_not_have_is_asked_again_after_an_hour(look_ups: LookUps) -> None:
    for _ in range(2):
        assert list(look_ups.search(DISPOSSESSED, source=["open_library"]).external_books) == []
    assert len(look_ups.open_library.asked(f"/isbn/{DISPOSSESSED}.json")) == 1
    look_ups.clock.advance(seconds=3_700)
    look_ups.search(DISPOSSESSED, source=["open_library"])
    assert len(look_ups.open_library.asked(f"/isbn/{DISPOSSESSED}.json")) == 2


def test_search_for_an_isbn_looks_the_book_up(look_ups: LookUps) -> None:
    (found,) = look_ups.search(f"ISBN-10: {NEUROMANCER_10}", source=["open_library"]).external_books
    assert found.book.subtitle == "a novel"


def test_book_is_added_with_all_that_the_source_has(look_ups: LookUps) -> None:
    response = look_ups.add(NEUROMANCER_10, copies=3)
    assert (response.result, response.source) == (IMPORT_RESULT_ADDED, "open_library")
    book = response.book
    assert (book.title, book.subtitle, book.edition, book.series) == (
        "Neuromancer",
        "a novel",
        "1st ed.",
        "Sprawl trilogy",
    )
    assert (list(book.authors), book.publisher, book.published_year) == (["William Gibson"], "Ace Books", 1984)
    assert (book.page_count, book.language, book.format, book.total_copies) == (271, "en", "Book", 3)
    assert book.description == "Case was the sharpest data thief.\nUntil he stole."
    assert list(book.subjects) == ["Cyberspace", "Hackers"]
    assert book.isbn == NEUROMANCER
    assert list(book.identifiers) == [
        Identifier(type=IDENTIFIER_TYPE_OCLC, value="10980207"),
        Identifier(type=IDENTIFIER_TYPE_LCCN, value="84123456"),
        Identifier(type=IDENTIFIER_TYPE_ISBN, value="9780441569564"),
    ]
    assert list(book.contributors) == [Contributor(name="James Warhola", role="cover art")]
    assert book.cover_uri == ""
    assert {origin.source for origin in book.origins} == {"open_library"}
    assert {"title", "isbn", "description", "identifiers"} <= {origin.field for origin in book.origins}
    assert "total_copies" not in {origin.field for origin in book.origins}
    (listed,) = look_ups.admin.books(query="neuromancer gibson cyberspace")
    assert listed == book


def test_google_books_is_asked_for_what_the_first_source_lacks(look_ups: LookUps) -> None:
    book = look_ups.add(DISPOSSESSED).book
    assert book.description == "A bleak moon & an anarchist.\nShevek must act."
    assert list(book.subjects) == ["Fiction / Science Fiction / General"]
    assert list(book.identifiers) == [Identifier(type=IDENTIFIER_TYPE_OTHER, value="UOM:39015004267089")]
    assert (book.published_year, book.total_copies) == (2003, 1)


def test_other_volumes_are_not_taken_for_the_one_with_the_isbn(look_ups: LookUps) -> None:
    with pytest.raises(ExternalBookNotFound):
        look_ups.add("9780807083697")
    assert look_ups.rows() == (0, 0)


def test_book_that_is_here_is_filled(look_ups: LookUps) -> None:
    there = look_ups.admin.add("NEUROMANCER!", isbn=NEUROMANCER, publisher="Gollancz", copies=2)
    response = look_ups.add(NEUROMANCER)
    assert response.result == IMPORT_RESULT_UPDATED
    book = response.book
    assert (book.id, book.title, book.publisher, book.total_copies) == (there.id, "NEUROMANCER!", "Gollancz", 2)
    assert (list(book.authors), book.published_year) == (["William Gibson"], 1984)
    changes = {change.field: (change.old_value, change.new_value) for change in response.changes}
    assert changes["authors"] == ("", "William Gibson")
    assert "title" not in changes
    assert {origin.field for origin in book.origins} == set(changes)
    (found,) = look_ups.admin.books(query="gibson")
    assert found.id == there.id


def test_what_a_person_typed_or_cleared_is_never_overwritten(look_ups: LookUps) -> None:
    book = look_ups.add(NEUROMANCER).book
    book.publisher, book.description = "Gollancz", ""
    request = UpdateBookRequest(book=book, update_mask=FieldMask(paths=["publisher", "description"]))
    update_book(look_ups.store, request, look_ups.clock)
    look_ups.clock.advance(days=2)
    look_ups.open_library.on("/books/OL7353617M.json", json_answer(changed(EDITION, number_of_pages=272)))
    response = look_ups.add(NEUROMANCER)
    assert response.result == IMPORT_RESULT_UPDATED
    assert [change.field for change in response.changes] == ["page_count"]
    assert (response.book.publisher, response.book.description, response.book.page_count) == ("Gollancz", "", 272)


def test_nothing_new_changes_nothing(look_ups: LookUps) -> None:
    first = look_ups.add(NEUROMANCER).book
    again = look_ups.add(NEUROMANCER)
    assert again.result == IMPORT_RESULT_ALREADY_THERE
    assert again.book == first
    copies = look_ups.add(NEUROMANCER, copies=2)
    assert (copies.result, copies.book.total_copies) == (IMPORT_RESULT_COPIES_ADDED, 3)
    assert [change.field for change in copies.changes] == ["copies"]
    with pytest.raises(FieldInvalid, match="can have 10000 at most"):
        look_ups.add(NEUROMANCER, copies=9_998)


def test_book_without_an_isbn_is_found_again_by_its_id(look_ups: LookUps) -> None:
    look_ups.open_library.on("/books/OL7353617M.json", json_answer(changed(EDITION, isbn_13=[], isbn_10=[])))
    first = look_ups.add(source="open_library", external_id="OL7353617M")
    again = look_ups.add(source="open_library", external_id="OL7353617M")
    assert (first.result, again.result) == (IMPORT_RESULT_ADDED, IMPORT_RESULT_ALREADY_THERE)
    assert look_ups.rows() == (1, 1)
    look_ups.admin.remove(first.book.id)
    third = look_ups.add(source="open_library", external_id="OL7353617M")
    assert third.result == IMPORT_RESULT_ADDED
    assert look_ups.rows() == (2, 1)


def test_call_that_is_sent_again_is_done_once(look_ups: LookUps) -> None:
    request_id = new_id()
    first = look_ups.add(NEUROMANCER, copies=2, request_id=request_id)
    look_ups.open_library.answers.clear()  # the source is not needed for the answer
    look_ups.clock.advance(days=2)
    assert look_ups.add(NEUROMANCER, copies=2, request_id=request_id) == first
    assert look_ups.books()[0].total_copies == 2
    with pytest.raises(RequestIdReused):
        look_ups.add(NEUROMANCER, copies=3, request_id=request_id)


@pytest.mark.parametrize("with_isbn", [True, False])
def test_of_imports_of_one_book_at_a_time_one_adds_it(look_ups: LookUps, with_isbn: bool) -> None:
    if not with_isbn:
        look_ups.open_library.on("/books/OL7353617M.json", json_answer(changed(EDITION, isbn_13=[], isbn_10=[])))
    settings = replace(look_ups.catalogues.settings, requests_per_second=100, import_seconds=100)
    look_ups.catalogues, _ = catalogues_for(look_ups.store, settings, look_ups.clock)
    start = threading.Barrier(6)

    def add(_: int) -> int:
        try:
            start.wait(100)
            return look_ups.add(source="open_library", external_id="OL7353617M", copies=2).result
        finally:
            look_ups.store.database.close()

    with ThreadPoolExecutor(6) as threads:
        results = sorted(threads.map(add, range(6)))
    assert results == [IMPORT_RESULT_ADDED] + [IMPORT_RESULT_COPIES_ADDED] * 5
    (book,) = look_ups.books()
    assert book.total_copies == 12


def test_source_without_a_key_is_not_set_up(look_ups: LookUps, tmp_path: Path) -> None:
    for key_file in (None, tmp_path / "none", tmp_path / "empty", tmp_path / "two-lines"):
        (tmp_path / "empty").write_text("\n")
        (tmp_path / "two-lines").write_text(f"{KEY}\n{KEY}")
        settings = replace(look_ups.catalogues.settings, google_books_key_file=key_file)
        look_ups.catalogues, _ = catalogues_for(look_ups.store, settings, look_ups.clock)
        with pytest.raises(SourceNotSetUp) as refused:
            look_ups.search("dispossessed", source=["google_books"])
        assert KEY not in str(refused.value)
        assert [book.source for book in look_ups.search("neuromancer").external_books] == ["open_library"]
    assert look_ups.google_books.requests == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, {"isbn"}),
        ({"isbn": "123"}, {"isbn"}),
        ({"isbn": NEUROMANCER, "external_id": "OL1M", "source": "open_library"}, {"external_id"}),
        ({"external_id": "OL1M"}, {"source"}),
        ({"isbn": NEUROMANCER, "source": "worldcat"}, {"source"}),
        ({"external_id": "../search", "source": "open_library"}, {"external_id"}),
        ({"external_id": "OL1W", "source": "open_library"}, {"external_id"}),
        ({"external_id": "a/b?c", "source": "google_books"}, {"external_id"}),
    ],
)
def test_wrong_requests_name_their_fields(look_ups: LookUps, fields: dict[str, str], named: set[str]) -> None:
    with pytest.raises(FieldInvalid) as refused:
        look_ups.add(**fields)
    assert {field for field, _ in refused.value.problems} == named
    assert look_ups.open_library.requests == look_ups.google_books.requests == []


def test_wrong_searches_name_their_fields(look_ups: LookUps) -> None:
    with pytest.raises(FieldInvalid, match="query"):
        look_ups.search("?!")
    with pytest.raises(FieldInvalid, match=r"source\[1\]: unknown source"):
        look_ups.search("dune", source=["open_library", "worldcat"])


FAULTS = {
    "429": source_server.too_many("99999"),
    "500": answer(500),
    "403": answer(403, b'{"error": {"message": "key not valid"}}', source_server.JSON),
    "cut": source_server.cut,
    "no HTTP": source_server.no_http,
    "type": answer(200, b"<html>down for maintenance", {"Content-Type": "text/html"}),
    "JSON": answer(200, b'{"title": ', source_server.JSON),
    "UTF-8": answer(200, b'{"title": "\xff\xfe"}', source_server.JSON),
    "nested": answer(200, b"[" * 100_000, source_server.JSON),
    "number": answer(200, b"1" * 100_000, source_server.JSON),
    "huge": source_server.huge,
    "bomb": source_server.bomb(20),
    "inwards": source_server.redirect("http://127.0.0.1:1/secret"),
    "metadata": source_server.redirect("http://169.254.169.254/latest/meta-data"),
    "loop": source_server.redirect("/loop"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_a_source_changes_nothing(look_ups: LookUps, fault: str) -> None:
    there = look_ups.admin.add("Kindred", isbn="9780807083697")
    for path in (f"/isbn/{NEUROMANCER}.json", "/search.json", "/loop"):
        look_ups.open_library.on(path, FAULTS[fault])
    with pytest.raises(SourceUnavailable) as refused:
        look_ups.add(NEUROMANCER, source="open_library")
    assert "Open Library did not answer" in str(refused.value)
    found = look_ups.search("neuromancer")
    assert [problem.source for problem in found.source_problems] == ["open_library"]
    assert [book.source for book in found.external_books] == ["google_books"]
    assert look_ups.books() == [there]
    assert look_ups.rows() == (1, 0)
    # What was wrong is not kept: after the pause the book is added, once.
    serve_open_library(look_ups.open_library)
    look_ups.clock.advance(days=1.1)
    assert look_ups.add(NEUROMANCER).result == IMPORT_RESULT_ADDED
    assert look_ups.add(NEUROMANCER).result == IMPORT_RESULT_ALREADY_THERE
    assert len(look_ups.books()) == 2


@pytest.mark.parametrize("faulty", ["/works/OL27258W.json", "/authors/OL26283A.json", "/books/OL7353617M.json"])
def test_book_is_not_added_without_what_a_later_request_has(look_ups: LookUps, faulty: str) -> None:
    """Otherwise a fault would lose the authors for ever."""
    look_ups.open_library.on(faulty, answer(500), answer(500), answer(500), answer(500))
    with pytest.raises(SourceUnavailable):
        look_ups.add(NEUROMANCER, source="open_library")
    assert look_ups.rows() == (0, 0)


def test_fault_that_passes_is_tried_again(look_ups: LookUps) -> None:
    path = f"/isbn/{NEUROMANCER}.json"
    good = look_ups.open_library.answers[path][0]
    look_ups.open_library.on(path, answer(503), source_server.cut, good)
    assert look_ups.add(NEUROMANCER).result == IMPORT_RESULT_ADDED
    assert len(look_ups.open_library.asked(path)) == 3
    assert 0.75 < look_ups.time.slept < 10


def test_retry_after_is_honoured(look_ups: LookUps) -> None:
    path = f"/isbn/{NEUROMANCER}.json"
    good = look_ups.open_library.answers[path][0]
    look_ups.open_library.on(path, source_server.too_many("5"), good)
    before = look_ups.clock.now
    assert look_ups.add(NEUROMANCER).result == IMPORT_RESULT_ADDED
    assert look_ups.clock.now - before >= 5 * SECOND
    assert len(look_ups.open_library.asked(path)) == 2


def test_long_retry_after_is_not_waited_for(look_ups: LookUps) -> None:
    look_ups.open_library.on("/search.json", source_server.too_many("600"))
    found = look_ups.search("neuromancer")
    (problem,) = found.source_problems
    assert problem.retry_time == timestamp(look_ups.clock.now + 600 * SECOND)
    assert len(look_ups.open_library.asked()) == 1
    look_ups.clock.advance(seconds=599)
    (problem,) = look_ups.search("dune").source_problems
    assert "it failed once and is not asked before 2027-01-15T08:10:00Z" in problem.description
    assert "answered with the status 429" in problem.description
    assert len(look_ups.open_library.asked()) == 1
    look_ups.clock.advance(seconds=2)
    look_ups.search("dune")
    assert len(look_ups.open_library.asked()) == 2


def test_source_is_left_alone_for_growing_times(look_ups: LookUps) -> None:
    look_ups.open_library.on("/search.json", answer(500))
    pauses = []
    for turn in range(14):
        (problem,) = look_ups.search(f"neuromancer {turn}").source_problems
        pauses.append(problem.retry_time.ToMicroseconds() - look_ups.clock.now)
        look_ups.clock.now = problem.retry_time.ToMicroseconds()
    assert [pause // SECOND for pause in pauses[:5]] == [10, 20, 40, 80, 160]
    assert pauses[-1] == 3_600 * SECOND
    assert len(look_ups.open_library.asked()) == 3 * 14
    serve_open_library(look_ups.open_library)
    assert list(look_ups.search("neuromancer").source_problems) == []
    look_ups.open_library.on("/search.json", answer(500))
    (problem,) = look_ups.search("again").source_problems
    assert problem.retry_time.ToMicroseconds() - look_ups.clock.now == 10 * SECOND


def test_pause_ends_when_the_settings_change(look_ups: LookUps) -> None:
    look_ups.google_books.on("/books/v1/volumes", answer(403))
    query: dict[str, Any] = {"query": "dispossessed", "source": ["google_books"]}
    with pytest.raises(SourceUnavailable, match="status 403"):
        look_ups.search(**query)
    with pytest.raises(SourceUnavailable, match="is not asked before"):
        look_ups.search(**query)
    assert len(look_ups.google_books.asked()) == 1
    key_file = look_ups.catalogues.settings.google_books_key_file
    assert key_file is not None
    key_file.write_text("another-key")
    look_ups.catalogues, _ = catalogues_for(look_ups.store, look_ups.catalogues.settings, look_ups.clock)
    serve_google_books(look_ups.google_books)
    assert len(look_ups.search(**query).external_books) == 1


def test_pause_and_pace_survive_a_clock_that_goes_back(look_ups: LookUps) -> None:
    look_ups.open_library.on("/search.json", answer(500))
    look_ups.search("neuromancer")
    serve_open_library(look_ups.open_library)
    look_ups.clock.advance(days=-30)
    assert list(look_ups.search("neuromancer").source_problems) == []


def test_requests_of_all_processes_keep_the_pace(look_ups: LookUps) -> None:
    """Two processes share the row of a source: three requests a second."""
    other, _ = catalogues_for(look_ups.store, look_ups.catalogues.settings, look_ups.clock)
    begin = look_ups.clock.now
    for turn in range(9):
        asking = (look_ups.catalogues, other)[turn % 2]
        request = SearchExternalBooksRequest(query=f"neuromancer {turn}", source=["open_library"])
        search_external_books(look_ups.store, request, asking)
    assert 2.6 <= (look_ups.clock.now - begin) / SECOND < 3
    with look_ups.store.reading():
        assert ExternalSource.select().count() == 1


def test_requests_that_would_come_too_late_are_refused(look_ups: LookUps) -> None:
    settings = replace(look_ups.catalogues.settings, requests_per_second=0.05)
    look_ups.catalogues, _ = catalogues_for(look_ups.store, settings, look_ups.clock)
    look_ups.search("one", source=["open_library"])
    with pytest.raises(SourceUnavailable, match="too many requests wait"):
        look_ups.search("two", source=["open_library"])
    assert len(look_ups.open_library.asked()) == 1


@pytest.mark.parametrize("fault", [source_server.drip, source_server.silence])
def test_search_never_waits_beyond_its_deadline(look_ups: LookUps, fault: source_server.Answer) -> None:
    look_ups.open_library.on("/search.json", fault)
    settings = replace(look_ups.catalogues.settings, search_seconds=0.5)
    look_ups.catalogues, _ = catalogues_for(look_ups.store, settings, look_ups.clock)
    begin = time.monotonic()
    found = look_ups.search("neuromancer")
    assert time.monotonic() - begin < 30
    assert "did not answer in time" in found.source_problems[0].description
    assert len(found.external_books) == 1


def test_look_ups_leave_places_for_other_calls(look_ups: LookUps) -> None:
    look_ups.open_library.on("/search.json", source_server.silence)
    settings = replace(look_ups.catalogues.settings, search_seconds=60, requests_per_second=100)
    look_ups.catalogues, _ = catalogues_for(look_ups.store, settings, look_ups.clock)
    with ThreadPoolExecutor(MOST_LOOK_UPS) as threads:

        def search(turn: int) -> None:
            try:
                with pytest.raises(SourceUnavailable, match="cut off"):
                    look_ups.search(f"neuromancer {turn}", source=["open_library"])
            finally:
                look_ups.store.database.close()

        running = [threads.submit(search, turn) for turn in range(MOST_LOOK_UPS)]
        end = time.monotonic() + 100
        while len(look_ups.open_library.asked()) < MOST_LOOK_UPS and time.monotonic() < end:
            for each in running:
                if each.done():
                    each.result()
            time.sleep(0.01)
        with pytest.raises(ServerBusy):
            look_ups.search("one more", source=["open_library"])
        look_ups.open_library.stopped.set()
        for each in running:
            each.result(100)
    look_ups.clock.advance(days=1)


HUGE = "x" * 300_000
STRANGE: list[Any] = [None, True, -1, 3.5, "", " \u200b ", [], {}, [[]], {"key": {}}, HUGE, [HUGE] * 5, {"value": 7}]


@pytest.mark.parametrize("field", sorted({*EDITION, "title_prefix", "by_statement", "description"} - {"key"}))
def test_strange_values_of_open_library_are_left_out(look_ups: LookUps, field: str) -> None:
    for value in STRANGE:
        edition = changed(EDITION, **{field: value})
        look_ups.open_library.on("/books/OL7353617M.json", json_answer(edition))
        look_ups.clock.advance(days=2)
        try:
            book = look_ups.add(NEUROMANCER, source="open_library").book
        except ExternalBookInvalid as error:
            assert field == "title"
            assert "title" in str(error)
        else:
            assert len(book.title) <= 500
    with look_ups.store.reading():
        assert Book.select().count() == 1


@pytest.mark.parametrize("field", sorted(VOLUME["volumeInfo"]))
def test_strange_values_of_google_books_are_left_out(look_ups: LookUps, field: str) -> None:
    for value in STRANGE:
        volume = changed(VOLUME, volumeInfo=changed(VOLUME["volumeInfo"], **{field: value}))
        look_ups.google_books.on("/books/v1/volumes/IDFfMPW32hQC", json_answer(volume))
        look_ups.clock.advance(days=2)
        try:
            look_ups.add(source="google_books", external_id="IDFfMPW32hQC")
        except ExternalBookInvalid as error:
            assert field == "title"
            assert "title" in str(error)


@pytest.mark.parametrize("document", [*STRANGE, {"docs": STRANGE}, {"docs": [{"editions": {"docs": STRANGE}}]}])
def test_strange_answers_to_searches_are_left_out(look_ups: LookUps, document: Any) -> None:
    look_ups.open_library.on("/search.json", json_answer(document))
    look_ups.google_books.on("/books/v1/volumes", json_answer({"items": document, "totalItems": "many"}))
    assert list(look_ups.search("neuromancer").external_books) == []


def test_control_characters_and_halves_of_characters_are_removed(look_ups: LookUps) -> None:
    text = '{"key": "/books/OL7353617M", "title": "Neu\\u0000ro\\ud800man\\u2028cer", "publishers": ["\\u0007"]}'
    look_ups.open_library.on("/books/OL7353617M.json", answer(200, text.encode(), source_server.JSON))
    assert look_ups.add(source="open_library", external_id="OL7353617M").book.title == "Neu ro man cer"


def test_doubles_in_answers_are_one(look_ups: LookUps) -> None:
    documents = {"docs": [SEARCH_DOCUMENT] * 30}
    look_ups.open_library.on("/search.json", json_answer(documents))
    assert len(look_ups.search("neuromancer", source=["open_library"], page_size=40).external_books) == 1
    edition = changed(EDITION, isbn_13=[NEUROMANCER] * 300, subjects=["Cyberspace"] * 300, oclc_numbers=["1"] * 300)
    look_ups.open_library.on("/books/OL7353617M.json", json_answer(edition))
    book = look_ups.add(NEUROMANCER).book
    assert list(book.subjects) == ["Cyberspace", "Hackers"]
    assert len(book.identifiers) == 3


def test_record_without_a_title_is_refused_with_its_name(look_ups: LookUps) -> None:
    look_ups.open_library.on("/books/OL7353617M.json", json_answer(changed(EDITION, title="\u200b")))
    with pytest.raises(ExternalBookInvalid, match=r"The record OL7353617M of Open Library .* title: "):
        look_ups.add(NEUROMANCER)
    assert look_ups.rows() == (0, 0)
    assert list(look_ups.search(NEUROMANCER, source=["open_library"]).external_books) == []


def test_kept_answers_are_bounded(look_ups: LookUps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin_server.sources.answers.MOST_ANSWERS", 5)
    answers = look_ups.catalogues.outside.answers
    for turn in range(30):
        answers.keep("open_library", str(turn), json.dumps({"turn": turn}).encode())
        answers._delete_old(look_ups.clock())
    with look_ups.store.reading():
        assert ExternalAnswer.select().count() == 5
    assert answers.find("open_library", "29") == b'{"turn": 29}'
    assert answers.find("open_library", "3") is None
    look_ups.clock.now += DAY + 1
    answers._delete_old(look_ups.clock())
    with look_ups.store.reading():
        assert ExternalAnswer.select().count() == 0


def test_key_is_in_no_row_and_no_message(look_ups: LookUps, caplog: pytest.LogCaptureFixture) -> None:
    look_ups.google_books.on("/books/v1/volumes", answer(500, KEY.encode()))
    with pytest.raises(SourceUnavailable) as refused:
        look_ups.search("dispossessed", source=["google_books"])
    look_ups.search("neuromancer", source=["open_library"])
    with look_ups.store.reading():
        rows = [repr(row) for model in (ExternalSource, ExternalAnswer) for row in model.select().dicts()]
    assert KEY not in "".join([*rows, str(refused.value), repr(refused.value), caplog.text])
    assert "source failed" in caplog.text


_ = WORK
