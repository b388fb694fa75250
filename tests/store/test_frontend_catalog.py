"""Books of a frontend: what each shows, and lists by filters, on both engines."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter

import pytest

from frontend_server.browse import catalog
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library_domain.errors import BookNotFound
from service_kit.clock import timestamp
from service_kit.ids import new_id
from service_kit.text.keys import text_key
from service_kit.text.words import index_words
from tests.support.clocks import SettableClock, end_of_day
from tests.support.frontend import LocalFrontend, at_once, new_book
from tests.support.frontend_catalog import counts, listed, titles

# --- what a book shows ---


def test_a_book_shows_all_that_the_admin_sent_and_the_copies_that_are_here(frontend: LocalFrontend) -> None:
    sent = frontend.book(
        "Gödel, Escher, Bach",
        copies=3,
        authors=["Douglas R. Hofstadter"],
        isbn="9780465026562",
        publisher="Basic Books",
        category="Science",
        language="en",
        published_year=1979,
        page_count=777,
        description="An eternal golden braid.\n\nA metaphorical fugue.",
        cover_uri="https://example.org/geb.jpg",
        create_time=timestamp(1_700_000_000_123_456),
        update_time=timestamp(1_700_000_001_000_000),
    )
    frontend.borrow(sent.id, frontend.user().id)

    shown = catalog.get_book(frontend.store, sent.id)

    sent.available_copies = 2
    assert shown == sent
    assert listed(frontend) == [sent]


def test_a_book_that_is_out_leaves_the_list_and_shows_when_it_is_expected_back(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    book, user = frontend.book(copies=2), frontend.user()
    assert titles(frontend) == ["Emma"]
    late = frontend.borrow(book.id, user.id, 30)
    soon = frontend.borrow(book.id, user.id, 7)
    made = clock.now

    assert listed(frontend) == []
    [shown] = listed(frontend, include_unavailable=True)
    assert shown == catalog.get_book(frontend.store, book.id)
    assert (shown.available_copies, shown.next_available_time) == (0, timestamp(end_of_day(made, 7)))

    frontend.renew(soon.id, 60)
    assert catalog.get_book(frontend.store, book.id).next_available_time == timestamp(end_of_day(made, 30))
    clock.advance(days=40)  # it is overdue, and expected back none the less
    assert catalog.get_book(frontend.store, book.id).next_available_time == timestamp(end_of_day(made, 30))

    frontend.bring_back(late.id)
    [shown] = listed(frontend)
    assert (shown.available_copies, shown.HasField("next_available_time")) == (1, False)


def test_a_book_that_does_not_circulate_is_listed_only_when_asked_for(
    frontend: LocalFrontend, clock: SettableClock
) -> None:
    book = frontend.book(copies=2, state=BOOK_STATE_UNAVAILABLE)

    assert listed(frontend) == []
    [shown] = listed(frontend, include_unavailable=True)
    assert (shown.state, shown.available_copies) == (BOOK_STATE_UNAVAILABLE, 0)
    assert not shown.HasField("next_available_time"), "none is out"

    book.state = BOOK_STATE_ACTIVE
    frontend.receive(book)
    frontend.borrow(book.id, frontend.user().id, 7)
    book.state = BOOK_STATE_UNAVAILABLE
    frontend.receive(book)
    [shown] = listed(frontend, include_unavailable=True)
    assert (shown.available_copies, shown.next_available_time) == (0, timestamp(end_of_day(clock.now, 7)))


def test_a_removed_book_is_in_no_list_and_still_to_be_got(frontend: LocalFrontend) -> None:
    book = frontend.book(publisher="Murray", category="Novels")
    loan = frontend.borrow(book.id, frontend.user().id, 7)
    book.state = BOOK_STATE_REMOVED
    frontend.receive(book)

    for include_unavailable in (False, True):
        assert listed(frontend, include_unavailable=include_unavailable) == []
        assert listed(frontend, include_unavailable=include_unavailable, query="Emma") == []
        assert counts(frontend, include_unavailable=include_unavailable) == ({}, {})
    shown = catalog.get_book(frontend.store, book.id)
    assert (shown.state, shown.available_copies) == (BOOK_STATE_REMOVED, 0)
    assert shown.next_available_time == loan.due_time
    frontend.bring_back(loan.id)
    assert not catalog.get_book(frontend.store, book.id).HasField("next_available_time")


def test_nobody_finds_a_book_that_never_was(frontend: LocalFrontend) -> None:
    frontend.book()
    with pytest.raises(BookNotFound):
        catalog.get_book(frontend.store, new_id())


def test_a_book_read_while_it_is_lent_and_returned_is_either_here_or_expected_back(frontend: LocalFrontend) -> None:
    book, user = frontend.book(), frontend.user()
    is_over = threading.Event()

    def lend() -> None:
        try:
            for _ in range(150):
                frontend.bring_back(frontend.borrow(book.id, user.id).id)
        finally:
            is_over.set()

    def read() -> None:
        while not is_over.is_set():
            [listed_book] = listed(frontend, include_unavailable=True)
            for shown in (catalog.get_book(frontend.store, book.id), listed_book):
                assert shown.HasField("next_available_time") != bool(shown.available_copies)

    assert at_once(frontend.store, [lend, read, read]) == []


# --- filters ---

WORDS = ("", "emma", "AUSTEN", "austen emma", "9780141439587", "0-14-143958-0", "nowhere")


def test_a_listed_book_matches_every_filter_that_is_set(frontend: LocalFrontend) -> None:
    chance = random.Random(2)
    books = [
        new_book(
            chance.choice(["Emma", "Persuasion", "Emma, annotated"]),
            copies=chance.choice([1, 2]),
            authors=chance.choice([["Jane Austen"], ["Emma Brown", "Ann Other"], []]),
            isbn=chance.choice(["9780141439587", ""]),
            publisher=chance.choice(["Murray", "murray", "Egerton"]),
            category=chance.choice(["Novels", "Classics"]),
            state=chance.choice([BOOK_STATE_ACTIVE, BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED]),
        )
        for _ in range(150)
    ]
    frontend.receive(*books)
    user = frontend.user()
    for book in books[::3]:
        if book.state == BOOK_STATE_ACTIVE:
            frontend.borrow(book.id, user.id)
    shown = [catalog.get_book(frontend.store, book.id) for book in books]

    def fits(book: book_pb2.Book, publisher: str, category: str, query: str) -> bool:
        words = index_words(f"{book.title} {' '.join(book.authors)} {book.isbn}")
        wanted = ["9780141439587"] if query == "0-14-143958-0" else index_words(query)
        return publisher in ("", book.publisher.title()) and category in ("", book.category) and {*wanted} <= {*words}

    found = 0
    for publisher, category, query, unavailable_too in itertools.product(
        ("", "Murray", "Egerton", "Mur"), ("", "Novels", "Novel"), WORDS, (False, True)
    ):
        expected = [
            book
            for book in shown
            if fits(book, publisher, category, query)
            and (book.state != BOOK_STATE_REMOVED if unavailable_too else book.available_copies > 0)
        ]
        filters = {
            "publisher": [publisher],
            "category": [category],
            "query": query,
            "include_unavailable": unavailable_too,
        }
        assert listed(frontend, page_size=7, **filters) == expected, filters
        found += bool(expected)
    assert found > 60, "the books hardly meet the filters"


def test_a_changed_book_is_found_as_what_it_is_now(frontend: LocalFrontend) -> None:
    book = frontend.book("Emma", authors=["Jane Austen"], publisher="Murray", category="Novels", isbn="9780141439587")
    changed = new_book("Persuasion", id=book.id, authors=["A Lady"], publisher="Egerton", category="Classics")
    frontend.receive(changed)

    for query in ("emma", "austen", "9780141439587"):
        assert titles(frontend, query=query) == []
    assert titles(frontend, publisher=["Murray"]) == titles(frontend, category=["Novels"]) == []
    assert titles(frontend, query="persuasion lady", publisher=["Egerton"], category=["Classics"]) == ["Persuasion"]
    assert counts(frontend) == ({"Egerton": 1}, {"Classics": 1})


@pytest.mark.parametrize("unavailable_too", [False, True])
def test_values_come_by_name_with_the_counts_of_what_is_listed(frontend: LocalFrontend, unavailable_too: bool) -> None:
    chance = random.Random(3)
    names = ["Ace", "Bantam", "bantam", "Éditions", "Orion", "O'Reilly", "Zürich", "戦争", ""]
    books = [
        new_book(
            publisher=chance.choice(names),
            category=chance.choice(names[:4]),
            state=chance.choice([BOOK_STATE_ACTIVE, BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED]),
        )
        for _ in range(120)
    ]
    # Of these none is to be seen.
    books += [new_book(publisher="Gone", category="Gone", state=BOOK_STATE_REMOVED)]
    frontend.receive(*books)
    user = frontend.user()
    for book in books[::2]:
        if book.state == BOOK_STATE_ACTIVE:
            frontend.borrow(book.id, user.id)

    shown = listed(frontend, include_unavailable=unavailable_too)
    publishers = Counter(book.publisher.replace("bantam", "Bantam") for book in shown if book.publisher)
    categories = Counter(book.category.replace("bantam", "Bantam") for book in shown)
    for page_size in (1, 3, 1_000):
        listed_publishers, listed_categories = (
            {name.replace("bantam", "Bantam"): count for name, count in values.items()}
            for values in counts(frontend, page_size, include_unavailable=unavailable_too)
        )
        assert list(listed_publishers.items()) == sorted(publishers.items(), key=lambda pair: text_key(pair[0]))
        assert list(listed_categories.items()) == sorted(categories.items(), key=lambda pair: text_key(pair[0]))
        assert "Gone" not in listed_publishers.keys() | listed_categories.keys()
    for publisher, count in publishers.items():
        assert len(listed(frontend, publisher=[publisher], include_unavailable=unavailable_too)) == count
