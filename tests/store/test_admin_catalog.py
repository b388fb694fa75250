"""The catalogue on both engines: adding, changing, removing, and what is refused."""

from __future__ import annotations

import uuid
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Barrier
from typing import Any

import pytest

from admin_server.books import catalog, writing
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, Book
from library_domain.errors import BookNotFound, EtagMismatch, IsbnTaken
from service_kit.clock import timestamp
from service_kit.errors import FieldInvalid, RequestIdReused, ServiceError
from service_kit.revisions import Counter, head_revision, take_revisions
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.clocks import SettableClock

EMMA = {
    "authors": ["Jane Austen"],
    "isbn": "978-0-14-143958-7",
    "publisher": "Penguin",
    "category": "Fiction",
    "language": "en-GB",
    "published_year": 1815,
    "page_count": 474,
    "description": "A young woman\n\nmakes matches.",
    "cover_uri": "https://example.org/emma.png",
    "copies": 2,
}


NOBODY = str(uuid.UUID(int=1))


def test_an_added_book_has_every_field_of_the_request(admin: Admin) -> None:
    book = admin.add("Emma", **EMMA)
    now = timestamp(admin.clock())
    expected = Book(
        id=book.id,
        title="Emma",
        authors=["Jane Austen"],
        isbn="9780141439587",
        publisher="Penguin",
        category="Fiction",
        language="en-GB",
        published_year=1815,
        page_count=474,
        description="A young woman\n\nmakes matches.",
        cover_uri="https://example.org/emma.png",
        total_copies=2,
        available_copies=2,
        state=BOOK_STATE_ACTIVE,
        create_time=now,
        update_time=now,
        etag=book.etag,
    )
    assert book == expected
    assert book.etag
    assert admin.get(book.id) == expected
    assert admin.books() == [expected]


def test_a_book_has_one_copy_by_default(admin: Admin) -> None:
    assert admin.add("Emma").total_copies == 1


def test_ids_sort_by_creation(admin: Admin) -> None:
    ids = [admin.add(f"T{number}").id for number in range(30)]
    assert ids == sorted(ids)
    assert {uuid.UUID(each).version for each in ids} == {7}


def test_an_unknown_book_is_not_found(admin: Admin) -> None:
    with pytest.raises(BookNotFound):
        admin.get(NOBODY)
    with pytest.raises(BookNotFound):
        admin.update(Book(id=NOBODY, title="T"))
    with pytest.raises(BookNotFound):
        admin.remove(NOBODY)


def test_an_isbn_is_taken_however_it_is_written(admin: Admin) -> None:
    first = admin.add("Emma", isbn="0-14-143958-0")
    with pytest.raises(IsbnTaken) as refused:
        admin.add("Emma again", isbn="978 0 14 143958 7")
    assert refused.value.metadata == {"book_id": first.id, "isbn": "9780141439587"}
    assert admin.titles() == ["Emma"]


def test_many_books_may_have_no_isbn(admin: Admin) -> None:
    admin.add("A")
    admin.add("B", isbn="")
    admin.add("C", isbn=" ")
    assert admin.titles() == ["A", "B", "C"]


def test_a_removed_book_frees_its_isbn(admin: Admin) -> None:
    admin.remove(admin.add("Emma", isbn="9780141439587").id)
    admin.add("Emma again", isbn="9780141439587")


# --- the same request twice ---


def test_a_replay_gets_the_first_answer_after_later_changes(admin: Admin) -> None:
    request_id = str(uuid.uuid4())
    book = admin.add("Emma", request_id=request_id, isbn="9780141439587")
    admin.clock.advance(days=1)
    admin.update(Book(id=book.id, title="Emma!"), "title")
    assert admin.add("Emma", request_id=request_id, isbn="9780141439587") == book
    assert admin.titles() == ["Emma!"]


def test_a_replay_after_the_removal_adds_nothing(admin: Admin) -> None:
    request_id = str(uuid.uuid4())
    book = admin.add("Emma", request_id=request_id)
    admin.remove(book.id)
    assert admin.add("Emma", request_id=request_id) == book
    assert admin.titles() == []


def test_a_request_id_with_other_arguments_is_refused(admin: Admin) -> None:
    request_id = str(uuid.uuid4())
    admin.add("Emma", request_id=request_id)
    with pytest.raises(RequestIdReused):
        admin.add("Persuasion", request_id=request_id)
    assert admin.titles() == ["Emma"]


def close_connection(store: Store) -> None:
    """Close the connection of a thread that ends; on PostgreSQL the pool has it back already."""
    if not store.is_postgresql:
        store.database.close()


def race(admin: Admin, *requests: AddBookRequest) -> list[Book | ServiceError]:
    """Add all at the same moment, each from a thread and so a connection of its own."""
    start = Barrier(len(requests))

    def add(request: AddBookRequest) -> Book | ServiceError:
        start.wait()
        try:
            return catalog.add_book(admin.store, request, admin.clock)
        except ServiceError as error:
            return error
        finally:
            close_connection(admin.store)

    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(add, requests))


def test_the_same_request_from_eight_threads_adds_one_book(admin: Admin) -> None:
    for round_ in range(5):
        request = AddBookRequest(title=f"T{round_}", request_id=str(uuid.uuid4()))
        outcomes = race(admin, *[request] * 8)
        assert all(outcome == outcomes[0] for outcome in outcomes), outcomes
    assert admin.titles() == [f"T{round_}" for round_ in range(5)]


def test_one_of_eight_threads_gets_the_isbn(admin: Admin) -> None:
    for isbn in ("9780141439587", "9780306406157", "9780804429573"):
        outcomes = race(admin, *[AddBookRequest(title=f"T{number}", isbn=isbn) for number in range(8)])
        assert sum(isinstance(outcome, Book) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, IsbnTaken) for outcome in outcomes) == 7, outcomes
    assert len(admin.titles()) == 3


def test_one_request_id_with_two_arguments_raced_adds_one_book(admin: Admin) -> None:
    request_id = str(uuid.uuid4())
    outcomes = race(admin, *[AddBookRequest(title=f"T{number}", request_id=request_id) for number in range(4)])
    assert sum(isinstance(outcome, Book) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, RequestIdReused) for outcome in outcomes) == 3, outcomes


# --- changing ---


def test_an_update_changes_only_the_fields_of_the_mask(admin: Admin) -> None:
    before = admin.add("Emma", **EMMA)
    admin.clock.advance(days=1)
    sent = Book(id=before.id, title="Emma!", publisher="Other", authors=["J. A."], total_copies=5)
    after = admin.update(sent, "title", "total_copies", "authors")
    expected = Book()
    expected.CopyFrom(before)
    expected.title, expected.total_copies, expected.available_copies = "Emma!", 5, 5
    expected.authors[:] = ["J. A."]
    expected.update_time.CopyFrom(timestamp(admin.clock()))
    expected.etag = after.etag
    assert after == expected
    assert after.etag != before.etag
    assert admin.get(before.id) == after


def test_an_update_without_a_mask_changes_what_is_set(admin: Admin) -> None:
    before = admin.add("Emma", **EMMA)
    after = admin.update(Book(id=before.id, category="Classics"))
    assert (after.category, after.title, list(after.authors)) == ("Classics", "Emma", ["Jane Austen"])


def test_a_star_changes_everything_and_empties_what_is_not_set(admin: Admin) -> None:
    before = admin.add("Emma", **EMMA)
    after = admin.update(Book(id=before.id, title="E", total_copies=1, state=BOOK_STATE_UNAVAILABLE), "*")
    assert (after.title, after.isbn, list(after.authors), after.description) == ("E", "", [], "")
    assert (after.total_copies, after.available_copies, after.state) == (1, 0, BOOK_STATE_UNAVAILABLE)
    assert after.create_time == before.create_time


def test_a_named_field_that_is_not_set_is_emptied(admin: Admin) -> None:
    before = admin.add("Emma", **EMMA)
    after = admin.update(Book(id=before.id), "isbn", "authors", "published_year")
    assert (after.isbn, list(after.authors), after.published_year, after.title) == ("", [], 0, "Emma")


WRONG_MASKS: list[tuple[list[str], str]] = [
    (["no_such_field"], "no field no_such_field"),
    (["title", "shelf"], "no field shelf"),
    (["id"], "id is read-only"),
    (["available_copies"], "read-only"),
    (["create_time"], "read-only"),
    (["etag"], "read-only"),
    (["*", "title"], "no field"),
    (["title.first"], "no field"),
    ([""], "no field"),
]


WRONG_VALUES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "title", "book.title"),
    ({"title": "x" * 501}, "title", "book.title"),
    ({"total_copies": -1}, "total_copies", "book.total_copies"),
    ({"total_copies": 10_001}, "total_copies", "book.total_copies"),
    ({"isbn": "9780141439588"}, "isbn", "book.isbn"),
    ({"authors": ["a", ""]}, "authors", "book.authors[1]"),
    ({"page_count": -1}, "page_count", "book.page_count"),
    ({"cover_uri": "nowhere"}, "cover_uri", "book.cover_uri"),
    ({}, "state", "book.state"),
    ({"state": BOOK_STATE_REMOVED}, "state", "book.state"),
    ({"state": 9}, "state", "book.state"),
]


def test_a_path_that_cannot_be_changed_is_refused(admin: Admin) -> None:
    before = admin.add("Emma")
    for paths, problem in WRONG_MASKS:
        with pytest.raises(FieldInvalid, match="update_mask") as refused:
            admin.update(Book(id=before.id, title="changed"), *paths)
        assert problem in str(refused.value)
    assert admin.get(before.id) == before


def test_a_value_that_add_would_refuse_is_refused_and_nothing_is_changed(admin: Admin) -> None:
    before = admin.add("Emma", **EMMA)
    for fields, path, named in WRONG_VALUES:
        with pytest.raises(FieldInvalid) as refused:
            admin.update(Book(id=before.id, **fields), path)
        assert [field for field, _ in refused.value.problems] == [named]
        assert admin.get(before.id) == before


def test_an_etag_is_valid_for_one_version(admin: Admin) -> None:
    first = admin.add("Emma")
    second = admin.update(Book(id=first.id, title="Emma 2", etag=first.etag))
    with pytest.raises(EtagMismatch):
        admin.update(Book(id=first.id, title="Emma 3", etag=first.etag))
    assert admin.update(Book(id=first.id, title="Emma 3", etag=second.etag)).title == "Emma 3"


def test_an_etag_of_a_lost_past_is_not_valid_for_the_same_revision(admin: Admin, clock: SettableClock) -> None:
    """A store that was restored from a backup takes the same revisions a second time."""
    book = admin.add("Emma")
    with admin.store.reading():
        before = head_revision()
    lost = admin.update(Book(id=book.id, title="Emma!"))
    with admin.store.writing():
        Counter.update(revision=before).execute()
    clock.advance(seconds=1)
    admin.update(Book(id=book.id, title="Emma?"))
    with pytest.raises(EtagMismatch):
        admin.update(Book(id=book.id, title="Emma.", etag=lost.etag))


def test_of_two_updates_at_the_same_time_with_one_etag_one_is_refused(admin: Admin) -> None:
    book = admin.add("Emma")

    def update_too() -> Book:
        try:
            return admin.update(Book(id=book.id, title="Second", etag=book.etag))
        finally:
            close_connection(admin.store)

    with ThreadPoolExecutor(1) as thread:
        with admin.store.writing():
            admin.update(Book(id=book.id, title="First", etag=book.etag))
            second = thread.submit(update_too)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.3)
        with pytest.raises(EtagMismatch):
            second.result(timeout=100)
    assert admin.titles() == ["First"]


def test_a_loan_that_is_recorded_during_an_update_is_not_overwritten(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = admin.add("Emma", copies=2)
    loan = admin.loan_record(1, book_id=book.id)

    def record() -> None:
        try:
            admin.record(loan)
        finally:
            close_connection(admin.store)

    with ThreadPoolExecutor(1) as thread:
        recording: list[Future[None]] = []

        def take_revisions_meanwhile(count: int = 1) -> int:
            recording.append(thread.submit(record))
            wait(recording, timeout=0.3)
            return take_revisions(count)

        monkeypatch.setattr(writing, "take_revisions", take_revisions_meanwhile)
        admin.update(Book(id=book.id, title="Emma!"))
        recording[0].result(timeout=100)
    assert (admin.get(book.id).title, admin.get(book.id).available_copies) == ("Emma!", 1)


def test_an_update_cannot_take_another_books_isbn(admin: Admin) -> None:
    first = admin.add("Emma", isbn="9780141439587")
    second = admin.add("Persuasion")
    with pytest.raises(IsbnTaken) as refused:
        admin.update(Book(id=second.id, isbn="0141439580"))
    assert refused.value.metadata["book_id"] == first.id
    assert admin.update(Book(id=first.id, isbn="0141439580")).isbn == "9780141439587"  # its own it may have


def test_an_update_changes_by_what_words_a_book_is_found(admin: Admin) -> None:
    book = admin.add("Emma", authors=["Jane Austen"], isbn="9780141439587")
    admin.update(Book(id=book.id, title="Persuasion", isbn="9780306406157"))
    assert admin.titles(query="emma") == admin.titles(query="9780141439587") == []
    assert admin.titles(query="persuasion austen 0-306-40615-2") == ["Persuasion"]
