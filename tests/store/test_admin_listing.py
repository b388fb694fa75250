"""Lists of the catalogue on both engines: filters, words, pages that lose no book and list none twice."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from admin_server.books import listing
from library.admin.v1.catalog_service_pb2 import AddBookRequest, ListBooksRequest, ListBooksResponse
from library.v1.book_pb2 import (
    BOOK_STATE_ACTIVE,
    BOOK_STATE_REMOVED,
    BOOK_STATE_UNAVAILABLE,
    BOOK_STATE_UNSPECIFIED,
    Book,
    BookState,
)
from service_kit.channel import MESSAGE_BYTES
from service_kit.clock import DAY, timestamp
from service_kit.errors import FieldInvalid
from service_kit.text.keys import tidied
from service_kit.text.words import index_words
from tests.support.admin import Admin

PUBLISHERS = ("Penguin", "penguin", "Faber & Faber")
CATEGORIES = ("Fiction", "Travel")
STATES = (BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED)


@pytest.fixture
def shelves(admin: Admin) -> list[Book]:
    """Two books of each publisher, category and state."""
    kinds = list(itertools.product(PUBLISHERS, CATEGORIES, STATES, range(2)))
    for number, (publisher, category, state, _) in enumerate(kinds):
        word = "odd" if number % 2 else "even"
        book = admin.add(f"{word} {number}", publisher=publisher, category=category)
        if state == BOOK_STATE_UNAVAILABLE:
            admin.update(Book(id=book.id, state=state))
        elif state == BOOK_STATE_REMOVED:
            admin.remove(book.id)
    return (
        admin.books(state=BOOK_STATE_ACTIVE)
        + admin.books(state=BOOK_STATE_UNAVAILABLE)
        + admin.books(state=BOOK_STATE_REMOVED)
    )


def test_every_combination_of_filters_lists_its_books(admin: Admin, shelves: list[Book]) -> None:
    assert len(shelves) == 36

    def expected(publisher: str, category: str, state: BookState.ValueType, word: str) -> set[str]:
        return {
            book.id
            for book in shelves
            if publisher.casefold() in ("", book.publisher.casefold())
            and category.casefold() in ("", book.category.casefold())
            and (book.state == state if state else book.state != BOOK_STATE_REMOVED)
            and word in ("", book.title.split()[0])
        }

    for publisher, category, state, word in itertools.product(
        ("", *PUBLISHERS, "Nobody"), ("", *CATEGORIES, "TRAVEL"), (BOOK_STATE_UNSPECIFIED, *STATES), ("", "odd")
    ):
        found = admin.books(page_size=3, publisher=[publisher], category=[category], state=state, query=word)
        assert [book.id for book in found] == sorted(expected(publisher, category, state, word))


def test_a_book_is_found_by_its_words_and_by_no_others(admin: Admin) -> None:
    admin.add("Other", authors=["Somebody"], isbn="9780306406157")
    admin.add("Emma: 1st (C++) edition", authors=["Jane Austen"], isbn="9780141439587")
    for query in (
        *("emma", "EMMA", "Émma", "austen", "jane emma", "Emma, Jane Austen", "1st", "c", "emma*", "emm", "c++"),
        *("9780141439587", "978-0-14-143958-7", "0141439580", "0-14-143958-0 emma"),
    ):
        assert admin.titles(query=query) == ["Emma: 1st (C++) edition"], query
    for query in ("mma", "emma smith", "9780141439588", "emmajane", "or", "a OR b", "emma other"):
        assert admin.titles(query=query) == [], query
    for query in ("-", " ", "?!", "%", "''"):
        with pytest.raises(FieldInvalid, match="query"):
            admin.titles(query=query)


def test_what_looks_like_a_pattern_or_like_sql_is_text(admin: Admin) -> None:
    admin.add("Robert'); DROP TABLE book;--", publisher="100%", category="_")
    admin.add("Other", publisher="100 percent", category="x")
    assert admin.titles(publisher=["100%"]) == admin.titles(category=["_"]) == ["Robert'); DROP TABLE book;--"]
    assert admin.titles(query="'; drop table") == ["Robert'); DROP TABLE book;--"]
    assert admin.titles(publisher=["' OR 1=1 --"]) == []


TITLES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=TITLES, author=TITLES)
def test_a_book_is_found_by_every_word_of_any_title(admin: Admin, title: str, author: str) -> None:
    assume(tidied(title) and tidied(author))
    book = admin.add(title, authors=[author])
    for word in index_words(title) + index_words(author):
        assert book.id in {found.id for found in admin.books(query=word, page_size=1_000)}, word
    admin.remove(book.id)


def test_pages_list_each_book_once_while_books_are_added_and_removed(admin: Admin) -> None:
    there_all_the_time = [admin.add(f"T{number}").id for number in range(40)]
    removed_meanwhile = [there_all_the_time.pop(index) for index in (35, 20, 3)]
    request, seen = ListBooksRequest(page_size=4), list[str]()
    for turn in itertools.count():
        books, request.page_token = listing.list_books(admin.store, request)
        seen += [book.id for book in books]
        if not request.page_token:
            break
        if turn < 10:
            admin.add(f"new {turn}")
        if turn < 3:
            admin.remove(removed_meanwhile[turn])
    assert len(seen) == len(set(seen))
    assert set(there_all_the_time) <= set(seen)
    assert len([book_id for book_id in seen if book_id not in there_all_the_time + removed_meanwhile]) == 10


def test_pages_of_every_size_are_the_same_list(admin: Admin) -> None:
    titles = [f"T {number}" for number in range(23)]
    for title in titles:
        admin.add(title, publisher="P", authors=["P"])
    for filters in ({}, {"publisher": ["P"]}, {"query": "t"}, {"publisher": ["P"], "query": "t p"}):
        for size in (1, 5, 22, 23, 24, 1_000):
            assert admin.titles(page_size=size, **filters) == titles


def test_a_token_goes_with_its_filters_only(admin: Admin) -> None:
    for number in range(3):
        admin.add(f"T{number}", publisher="P")
    _, token = listing.list_books(admin.store, ListBooksRequest(page_size=1, publisher=["P"]))
    with pytest.raises(FieldInvalid, match="page_token"):
        listing.list_books(admin.store, ListBooksRequest(page_size=1, page_token=token))


@pytest.fixture
def long_books(admin: Admin) -> Admin:
    """A thousand books with descriptions of 5,000 characters, some of which are three bytes each."""
    books = [AddBookRequest(title=f"T{n}", description=("書" if n % 2 else "x") * 5_000) for n in range(1_000)]
    admin.import_rows(*books)
    return admin


def test_a_list_of_long_books_stays_below_what_a_message_may_have_and_loses_none(long_books: Admin) -> None:
    request, seen, pages = ListBooksRequest(page_size=1_000), list[str](), 0
    while pages == 0 or request.page_token:
        books, request.page_token = listing.list_books(long_books.store, request)
        reply = ListBooksResponse(books=books, next_page_token=request.page_token)
        assert reply.ByteSize() < MESSAGE_BYTES
        seen += [book.title for book in books]
        pages += 1
    assert seen == [f"T{number}" for number in range(1_000)]
    assert pages > 3


def test_the_changes_of_long_books_stay_below_what_a_message_may_have_and_lose_none(long_books: Admin) -> None:
    cursor, seen, pages = "", list[str](), 0
    while True:
        page = long_books.page_of_changes(cursor, page_size=1_000)
        assert page.ByteSize() < 1_100_000
        seen += [change.book.title for change in page.changes if change.HasField("book")]
        cursor, pages = page.next_cursor, pages + 1
        if not page.has_more:
            break
    assert seen == [f"T{number}" for number in range(1_000)]
    assert pages > 7
    assert long_books.changes(cursor)[0] == []


# --- what cannot be borrowed ---


def test_books_that_cannot_be_borrowed_are_listed_with_the_day_they_are_expected_back(admin: Admin) -> None:
    admin.add("On the shelf")
    half = admin.add("One of two out", copies=2)
    out = admin.add("All out", copies=2)
    binder = admin.add("At the binder's")
    admin.update(Book(id=binder.id, state=BOOK_STATE_UNAVAILABLE))
    binder_and_out = admin.add("At the binder's, one of two out", copies=2)
    withdrawn = admin.add("Withdrawn")
    loans = [(half, 5), (out, 9), (out, 7), (binder_and_out, 3), (withdrawn, 1)]
    admin.record(*[admin.loan_record(number, days, book_id=book.id) for number, (book, days) in enumerate(loans, 1)])
    admin.update(Book(id=binder_and_out.id, state=BOOK_STATE_UNAVAILABLE))
    admin.remove(withdrawn.id, withdraw=True)

    found = {book.title: book for book in admin.unavailable(page_size=1)}
    assert list(found) == ["All out", "At the binder's", "At the binder's, one of two out"]
    now = admin.clock()
    assert found["All out"].next_available_time == timestamp(now + 7 * DAY)
    assert not found["At the binder's"].HasField("next_available_time")
    assert found["At the binder's, one of two out"].next_available_time == timestamp(now + 3 * DAY)
    assert {book.available_copies for book in found.values()} == {0}


def test_only_a_book_without_a_free_copy_shows_when_one_is_expected(admin: Admin) -> None:
    book = admin.add("Emma", copies=2)
    admin.record(admin.loan_record(1, 5, book_id=book.id))
    assert not admin.get(book.id).HasField("next_available_time")
    admin.record(second := admin.loan_record(2, 9, book_id=book.id))
    assert admin.get(book.id).next_available_time == timestamp(admin.clock() + 5 * DAY)
    assert admin.books()[0] == admin.get(book.id)
    second.revision = 3
    second.loan.return_time.CopyFrom(timestamp(admin.clock()))
    admin.record(second)
    assert admin.get(book.id).available_copies == 1
    assert admin.unavailable() == []


def test_a_loan_that_ended_does_not_count_for_when_a_book_is_expected(admin: Admin) -> None:
    book = admin.add("Emma")
    admin.record(admin.loan_record(1, 5, returned=True, book_id=book.id), admin.loan_record(2, 9, book_id=book.id))
    assert admin.get(book.id).next_available_time == timestamp(admin.clock() + 9 * DAY)


def test_an_overdue_book_is_expected_in_the_past(admin: Admin) -> None:
    book = admin.add("Emma")
    admin.record(loan := admin.loan_record(1, 5, book_id=book.id))
    admin.clock.advance(days=30)
    assert admin.unavailable()[0].next_available_time == loan.loan.due_time
