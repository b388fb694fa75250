"""Searching: order, pages, typing errors, and that nothing in a query is an error of ours; alike on both engines."""

from __future__ import annotations

import itertools
import random
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from frontend_server.browse import catalog
from frontend_server.store.models import Book
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.paging import page_rows
from service_kit.text.words import index_words
from service_kit.vocabulary import VocabularyWord
from tests.support.frontend import LocalFrontend, new_book
from tests.support.search_cases import CASES, filled
from tests.support.stores import ENGINES, FreshDatabases, bound_store


def listed(frontend: LocalFrontend, query: str, page_size: int = 1_000, **filters: Any) -> list[book_pb2.Book]:
    request = ListBooksRequest(query=query, page_size=page_size, **filters)
    found: list[book_pb2.Book] = []
    while True:
        page = catalog.list_books(frontend.store, request)
        assert len(page.books) <= page_size
        found += page.books
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def titles(frontend: LocalFrontend, query: str, **filters: Any) -> list[str]:
    return [book.title for book in listed(frontend, query, **filters)]


# --- order ---


def test_whole_words_come_before_beginnings_and_beginnings_before_nothing(frontend: LocalFrontend) -> None:
    for title in ("Warden", "War", "Warship", "The war", "Peace", "Award", "Wat"):
        frontend.book(title)
    assert titles(frontend, "war") == ["War", "The war", "Warden", "Warship"]
    assert titles(frontend, "ward") == ["Warden"]
    assert titles(frontend, "wartenden") == []


def test_a_typing_error_is_guessed_only_where_no_book_has_the_word(frontend: LocalFrontend) -> None:
    frontend.book("Neuromancer")
    assert titles(frontend, "neuromanser") == ["Neuromancer"]
    frontend.book("Neuromanser, a parody")
    assert titles(frontend, "neuromanser") == ["Neuromanser, a parody"]
    assert titles(frontend, "neuromansr") == ["Neuromancer", "Neuromanser, a parody"]


def test_no_word_is_guessed_because_its_books_are_out_or_of_another_publisher(frontend: LocalFrontend) -> None:
    emma = frontend.book("Emma", publisher="Murray")
    frontend.book("Emmy", publisher="Egerton")
    frontend.borrow(emma.id, frontend.user().id)
    answer = catalog.list_books(frontend.store, ListBooksRequest(query="emma"))
    assert (list(answer.books), answer.left_out_count) == ([], 1)
    assert titles(frontend, "emma", publisher=["Egerton"]) == []
    emma.state = BOOK_STATE_REMOVED
    frontend.receive(emma)
    assert titles(frontend, "emma") == ["Emmy"]


# --- pages ---


@pytest.mark.parametrize("page_size", [1, 2, 7, 1_000])
def test_pages_of_a_search_list_each_book_once_through_both_phases(frontend: LocalFrontend, page_size: int) -> None:
    chance = random.Random(7)
    words = ["war", "warden", "warship", "wartime", "peace", "peaceful", "pea"]
    books = [new_book(" ".join(chance.choices(words, k=3)), publisher=f"P{number % 3}") for number in range(60)]
    frontend.receive(*books)
    for query, filters in itertools.product(("war", "war pea", "peace w"), ({}, {"publisher": ["P1", "p2"]})):
        prefixes = query.split()
        fitting = [book for book in books if not filters or book.publisher in ("P1", "P2")]
        exact = [book for book in fitting if {*prefixes} <= {*book.title.split()}]
        other = [
            book
            for book in fitting
            if book not in exact and all(any(word.startswith(p) for word in book.title.split()) for p in prefixes)
        ]
        found = listed(frontend, query, page_size, **filters)
        assert [book.id for book in found] == [book.id for book in exact + other], (query, filters)


def test_pages_of_guesses_go_on_where_they_ended(frontend: LocalFrontend) -> None:
    frontend.receive(*[new_book(f"Neuromancer {number}") for number in range(25)])
    assert [book.title for book in listed(frontend, "neuromanser", 10)] == [f"Neuromancer {n}" for n in range(25)]


@pytest.mark.parametrize("place", ["4.1", "0.1", "1", "1.", ".1", "1.1.1", "1.-1", "1.9999999999999999999", "x"])
def test_a_forged_place_is_refused(frontend: LocalFrontend, place: str) -> None:
    frontend.book("Emma")
    request = ListBooksRequest(query="emma")
    _, request.page_token = page_rows(ListBooksRequest(query="emma", page_size=1), [1, 2], lambda _: 1, lambda _: place)
    with pytest.raises(FieldInvalid, match="page_token"):
        catalog.list_books(frontend.store, request)


# --- any text ---

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60)
SYNTAX = st.text("aé\"'\\*:&|!()<>^-+#.,{}[]~%_ANDORT \u3042\u3099\u0301\u0e31\u200d🏽", min_size=1, max_size=40)
UNPLEASANT = [
    *(
        "AND",
        "OR NOT",
        "NEAR(a b)",
        "a NOT",
        '"',
        "'",
        "\\",
        "a:*",
        "a*b*",
        "!a",
        "a & | b",
        "(((((",
        ")))",
        "^a",
        "a <-> b",
    ),
    *(
        "x" * 200,
        "é" * 200,
        "\u0301" * 200,
        "a" + "\u0301" * 199,
        "あ" * 200,
        "㌀" * 200,
        "ﷺ" * 200,
        "ก" + "\u0e31" * 199,
    ),
    *(
        "👨\u200d👩\u200d👧\u200d👦" * 20,
        "🏳\ufe0f\u200d🌈",
        "\U000e0067\U000e007f",
        "\ue000\ue001",
        "a\ue000b",
        "\U0010ffff",
        "\ufdfa1",
    ),
    *(
        "a" * 66 + "-" + "b" * 66 + "'" + "c" * 65,
        "a-" * 100,
        "a'" * 100,
        "a." * 100,
        "9" * 200,
        "978-" * 50,
        "c++" * 60,
    ),
    *(
        " ".join("abcdefghij" * 10),
        "\u0600\u06dd\u070f",
        "\u1160\u3164\u115f\uffa0",
        "\u2028".strip() or "x",
        "İ" * 200,
    ),
]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=TEXTS | SYNTAX | st.sampled_from(UNPLEASANT), value=TEXTS | SYNTAX | st.sampled_from(UNPLEASANT))
def test_no_text_is_an_error_of_the_store(frontend: LocalFrontend, query: str, value: str) -> None:
    for request in (
        ListBooksRequest(query=query),
        ListBooksRequest(publisher=[value, "x"], category=[value]),
        ListBooksRequest(query=query, publisher=[value, query, "y"]),
    ):
        try:
            answer = catalog.list_books(frontend.store, request)
        except FieldInvalid as refused:
            assert [field for field, _ in refused.problems] == ["query"]
            assert not index_words(query) or not request.query
        else:
            assert answer.left_out_count == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=TEXTS | SYNTAX | st.sampled_from([case.text for case in CASES]) | st.sampled_from(UNPLEASANT))
@example(title="ŉaıßᾳ ẖﬃ Ⅷ")
def test_any_title_finds_itself_in_any_form(frontend: LocalFrontend, title: str) -> None:
    assume(index_words(title))
    book = frontend.book(title, id=new_id())
    forms = {title, title.upper(), title.lower(), title.casefold(), f"  {title}  "}
    forms |= {unicodedata.normalize(form, title) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    forms |= {"\u00ad".join(title)} if len(title) < 90 else set()
    forms |= set(index_words(title)[:20])
    for query in forms:
        assert book.id in {found.id for found in listed(frontend, query)}, query
    book.state = BOOK_STATE_REMOVED
    frontend.receive(book)


def test_both_engines_list_the_same_in_the_same_order(databases: FreshDatabases) -> None:
    chance = random.Random(11)
    queries = [case.query for case in CASES]
    queries += ["".join(chance.choices("".join(queries), k=chance.randint(1, 6))) for _ in range(300)]
    queries = [query for query in queries if index_words(query)]
    lists = []
    for engine in ENGINES:
        with bound_store("frontend", databases.migrated("frontend", engine)) as store:
            find = filled("frontend", store)
            lists.append({query: find(query) for query in queries})
    assert lists[0] == lists[1]


# --- the store ---


def test_the_vocabulary_has_each_word_once_and_only_words_that_can_be_guessed(frontend: LocalFrontend) -> None:
    for _ in range(3):
        frontend.receive(new_book("Emma Emma 1816 9780306406157 戦争と平和 ab C++"), new_book("Emma, война"))
    with frontend.store.reading():
        words = sorted(row.word for row in VocabularyWord.select())
    assert words == ["emma", "война"]


def test_a_changed_book_is_found_by_its_new_words_only(frontend: LocalFrontend) -> None:
    book = frontend.book("戦争と平和")
    frontend.receive(new_book("パリの空", id=book.id))
    assert titles(frontend, "平和") == []
    assert titles(frontend, "パリ") == ["パリの空"]
    with frontend.store.reading():
        assert Book.get().words
