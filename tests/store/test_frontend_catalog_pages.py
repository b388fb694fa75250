"""Books of a frontend are found by their words, and listed by pages that lose none, on both engines."""

from __future__ import annotations

import random
import threading

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
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.text.words import index_words
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, at_once, new_book
from tests.support.frontend_catalog import listed, pages, titles
from tests.support.stores import FreshDatabases, bound_store

MESSAGE_BYTES = 4 * 1024 * 1024
"""What a gRPC client takes in one message by default."""


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
    for word in index_words(book.title):
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
