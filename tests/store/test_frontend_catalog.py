from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontend_server.browse import catalog
from library.frontend.v1.catalog_service_pb2 import (
    ListBooksRequest,
    ListBooksResponse,
    ListCategoriesRequest,
    ListPublishersRequest,
)
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library_domain.errors import BookNotFound
from service_kit.clock import DAY, timestamp
from service_kit.errors import FieldInvalid
from service_kit.full_text import words_of
from service_kit.ids import new_id
from service_kit.store import Store
from service_kit.text.keys import text_key
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, at_once, new_book
from tests.support.stores import FreshDatabases, bound_store

MESSAGE_BYTES = 4 * 1024 * 1024
"""What a gRPC client takes in one message by default."""


@pytest.fixture
def frontend(frontend_store: Store, clock: SettableClock) -> LocalFrontend:
    return LocalFrontend(frontend_store, clock)


def pages(frontend: LocalFrontend, page_size: int = 1_000, **filters: Any) -> Iterator[list[book_pb2.Book]]:
    request = ListBooksRequest(page_size=page_size, **filters)
    while True:
        page = catalog.list_books(frontend.store, request)
        assert len(page.books) <= page_size
        yield list(page.books)
        request.page_token = page.next_page_token
        if not request.page_token:
            return


def listed(frontend: LocalFrontend, page_size: int = 1_000, **filters: Any) -> list[book_pb2.Book]:
    return [book for page in pages(frontend, page_size, **filters) for book in page]


def titles(frontend: LocalFrontend, **filters: Any) -> list[str]:
    return [book.title for book in listed(frontend, **filters)]


def counts(
    frontend: LocalFrontend, page_size: int = 1_000, *, include_unavailable: bool = False
) -> tuple[dict[str, int], ...]:
    """All publishers and all categories, each with its count, in the order in which they were listed."""
    found: list[dict[str, int]] = []
    lists: list[tuple[Any, Any]] = [
        (catalog.list_publishers, ListPublishersRequest(page_size=page_size, include_unavailable=include_unavailable)),
        (catalog.list_categories, ListCategoriesRequest(page_size=page_size, include_unavailable=include_unavailable)),
    ]
    for list_values, request in lists:
        values: dict[str, int] = {}
        while True:
            page, request.page_token = list_values(frontend.store, request)
            assert len(page) <= page_size
            assert not values.keys() & {value.value for value in page}, "a value was listed twice"
            values.update({value.value: value.book_count for value in page})
            if not request.page_token:
                break
        found.append(values)
    return tuple(found)


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
    assert (shown.available_copies, shown.next_available_time) == (0, timestamp(made + 7 * DAY))

    frontend.renew(soon.id, 60)
    assert catalog.get_book(frontend.store, book.id).next_available_time == timestamp(made + 30 * DAY)
    clock.advance(days=40)  # it is overdue, and expected back none the less
    assert catalog.get_book(frontend.store, book.id).next_available_time == timestamp(made + 30 * DAY)

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
    assert (shown.available_copies, shown.next_available_time) == (0, timestamp(clock.now + 7 * DAY))


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
        words = words_of(f"{book.title} {' '.join(book.authors)} {book.isbn}")
        wanted = ["9780141439587"] if query == "0-14-143958-0" else words_of(query)
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


# --- words ---


def test_books_are_found_by_words_of_title_author_and_isbn(frontend: LocalFrontend) -> None:
    frontend.book("Les Misérables", authors=["Victor Hugo"], isbn="9780140444308")
    frontend.book("Straße der Ölsardinen", authors=["John Steinbeck"], isbn="9780140042382")
    frontend.book("戦争と平和", authors=["Лев Толстой"])
    frontend.book("Catch-22", authors=["Joseph Heller"], publisher="Vintage", category="War", description="Yossarian")
    frontend.book("1e5 C++ e4")

    for query, expected in {
        "misérables": "Les Misérables",
        "MISERABLES": "Les Misérables",
        "Mise\u0301rables": "Les Misérables",
        "hugo les": "Les Misérables",
        "Hugo, Victor: Les …": "Les Misérables",
        "9780140444308": "Les Misérables",
        "978-0-14-044430-8": "Les Misérables",
        "0140444300": "Les Misérables",
        "0-14-044430-0 hugo": "Les Misérables",
        "STRASSE": "Straße der Ölsardinen",
        "olsardinen": "Straße der Ölsardinen",
        "0 14 004238 5": "Straße der Ölsardinen",
        "戦争と平和": "戦争と平和",
        "ТОЛСТОЙ": "戦争と平和",
        "22": "Catch-22",
        "catch 22": "Catch-22",
        "1e5": "1e5 C++ e4",
        "c e4": "1e5 C++ e4",
        "c++": "1e5 C++ e4",
        "misérable": "Les Misérables",
        "vict les": "Les Misérables",
        "97801404443": "Les Misérables",
    }.items():
        assert titles(frontend, query=query) == [expected], query
    for query in ("hugo steinbeck", "ables", "vintage", "war", "yossarian", "978014", "und"):
        assert titles(frontend, query=query) == [], query


def test_a_query_without_a_word_is_refused(frontend: LocalFrontend) -> None:
    for query in ("-", " ", "!?", "'", '"', "* % _"):
        with pytest.raises(FieldInvalid) as refused:
            catalog.list_books(frontend.store, ListBooksRequest(query=query))
        assert [field for field, _ in refused.value.problems] == ["query"]


def test_what_a_word_index_takes_for_an_operator_is_a_word_here(frontend: LocalFrontend) -> None:
    frontend.book("Near or not, and to be")
    for query in ("NEAR(to be)", "or", "NOT", "and", "near AND not", '"to be', "to* be*", "to & be | ! 'or"):
        assert titles(frontend, query=query) == ["Near or not, and to be"], query
    for query in ("title:be", "near AND far", "to | elsewhere", "NOT gone", "be*r"):
        assert titles(frontend, query=query) == [], query


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=st.text(st.characters(codec="utf-8"), max_size=40) | st.text("aA1eé.-_/@&<>;'0", max_size=20))
def test_each_word_of_a_title_finds_the_book_with_any_characters(frontend: LocalFrontend, title: str) -> None:
    mark = new_id().replace("-", "")
    book = frontend.book(f"{title.replace(chr(0), '')} {mark}")
    for word in words_of(book.title):
        assert [found.id for found in listed(frontend, query=f"{word} {mark}")] == [book.id]


def test_postgresql_finds_a_word_without_reading_through_all_that_was_added_lately(databases: FreshDatabases) -> None:
    with bound_store("frontend", databases.migrated("frontend", "postgresql")) as store:
        frontend = LocalFrontend(store, SettableClock())
        frontend.receive(
            *[new_book(f"Title {number} word{number}", authors=["Jane Austen"]) for number in range(6_000)]
        )
        found = (
            "SELECT key FROM book WHERE array_to_tsvector(string_to_array(words, ' ')) @@ CAST($$'word7'$$ AS tsquery)"
        )
        with store.reading():
            store.database.execute_sql("ANALYZE book")
            store.database.execute_sql("SET enable_seqscan = off")
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {found}"
            [[[explained]]] = store.database.execute_sql(explain).fetchall()

    plan = explained["Plan"]
    assert plan["Plans"][0]["Index Name"] == "book_words"
    assert plan["Actual Rows"] == 1
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 40


# --- pages ---


def test_no_book_comes_twice_and_none_is_missed_while_books_are_lent_and_returned(frontend: LocalFrontend) -> None:
    books = [new_book(f"{number}", publisher="Murray") for number in range(300)]
    frontend.receive(*books)
    user, reader = frontend.user(), frontend.user()
    is_over = threading.Event()
    restless = books[::3]

    def lend() -> None:
        chance = random.Random(4)
        while not is_over.is_set():
            some = chance.sample(restless, 10)
            for loan in [frontend.borrow(book.id, user.id) for book in some]:
                frontend.bring_back(loan.id)

    def read() -> None:
        try:
            for turn in range(6):
                filters = {"publisher": ["Murray"]} if turn % 2 else {}
                ids = [book.id for book in listed(frontend, page_size=20, **filters)]
                assert len(set(ids)) == len(ids), "a book was listed twice"
                assert ids == [book.id for book in books if book.id in set(ids)], "not in order"
                assert {book.id for book in books} - {book.id for book in restless} <= set(ids), "a book was missed"
                everything = listed(frontend, page_size=20, include_unavailable=True, **filters)
                assert [book.id for book in everything] == [book.id for book in books]
        finally:
            is_over.set()

    assert reader.id != user.id
    assert at_once(frontend.store, [lend, read]) == []
    frontend.check()


def test_a_page_token_goes_on_where_its_page_ended_though_that_book_is_out_now(frontend: LocalFrontend) -> None:
    books = [new_book(f"{number}") for number in range(5)]
    frontend.receive(*books)
    request = ListBooksRequest(page_size=2)
    request.page_token = catalog.list_books(frontend.store, request).next_page_token
    user = frontend.user()
    for book in books[1:3]:
        frontend.borrow(book.id, user.id)
    assert [book.title for book in catalog.list_books(frontend.store, request).books] == ["3", "4"]


def test_a_page_token_is_good_for_its_own_filters_only(frontend: LocalFrontend) -> None:
    frontend.receive(*[new_book("Emma", publisher="Murray", category="Novels") for _ in range(3)])
    own = ListBooksRequest(page_size=1, publisher=["Murray"], query="emma")
    token = catalog.list_books(frontend.store, own).next_page_token
    own.page_size, own.page_token = 2, token
    assert len(catalog.list_books(frontend.store, own).books) == 2

    for other in (
        ListBooksRequest(page_token=token),
        ListBooksRequest(page_token=token, publisher=["Murray"]),
        ListBooksRequest(page_token=token, publisher=["Murray"], query="Emma"),
        ListBooksRequest(page_token=token, publisher=["Murray"], query="emma", category=["Novels"]),
        ListBooksRequest(page_token=token, publisher=["Murray"], query="emma", include_unavailable=True),
        ListBooksRequest(page_token=token[:-1], publisher=["Murray"], query="emma"),
        ListBooksRequest(page_token="no token", publisher=["Murray"], query="emma"),
    ):
        with pytest.raises(FieldInvalid) as refused:
            catalog.list_books(frontend.store, other)
        assert [field for field, _ in refused.value.problems] == ["page_token"]

    _, token = catalog.list_publishers(frontend.store, ListPublishersRequest(page_size=1))
    assert token == ""
    frontend.book(publisher="Egerton")
    _, token = catalog.list_publishers(frontend.store, ListPublishersRequest(page_size=1))
    with pytest.raises(FieldInvalid):
        catalog.list_publishers(frontend.store, ListPublishersRequest(page_token=token, include_unavailable=True))
    with pytest.raises(FieldInvalid):
        catalog.list_categories(frontend.store, ListCategoriesRequest(page_token=token))


def test_the_size_of_a_page(frontend: LocalFrontend) -> None:
    frontend.receive(*[new_book(f"{number}", publisher=f"{number}") for number in range(1_001)])
    for page_size, expected in ((0, 50), (1, 1), (1_000, 1_000), (1_001, 1_000), (2**31 - 1, 1_000)):
        assert len(catalog.list_books(frontend.store, ListBooksRequest(page_size=page_size)).books) == expected
        assert len(catalog.list_publishers(frontend.store, ListPublishersRequest(page_size=page_size))[0]) == expected


def test_a_page_of_1000_books_with_5000_characters_each_fits_in_a_message_and_the_list_is_complete(
    frontend: LocalFrontend,
) -> None:
    books = [new_book(f"{number}", description="漢" * 5_000) for number in range(1_000)]
    frontend.receive(*books)

    sizes, ids = [], []
    for page in pages(frontend, 1_000):
        sizes.append(ListBooksResponse(books=page, next_page_token="x" * 100).ByteSize())
        ids += [book.id for book in page]

    assert max(sizes) < MESSAGE_BYTES
    assert ids == [book.id for book in books]
    assert min(sizes[:-1]) > MESSAGE_BYTES / 4, "pages are not so small for nothing"
