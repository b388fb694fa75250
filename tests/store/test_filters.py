"""Filters by publisher, category and format: case, Unicode form and blanks do not matter; what is left out."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from frontend_server.browse import catalog
from frontend_server.store.models import Loan
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.catalog_service_pb2 import (
    ListBooksRequest,
    ListCategoriesRequest,
    ListPublishersRequest,
    ListPublishersResponse,
    ValueCount,
)
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, Book
from service_kit.errors import FieldInvalid
from service_kit.text.keys import text_key
from service_kit.validation import check
from tests.support.admin import Admin
from tests.support.frontend import LocalFrontend, new_book


def listed(frontend: LocalFrontend, page_size: int = 1_000, **filters: Any) -> list[str]:
    request, titles = ListBooksRequest(page_size=page_size, **filters), list[str]()
    while True:
        page = catalog.list_books(frontend.store, request)
        titles += [book.title for book in page.books]
        request.page_token = page.next_page_token
        if not request.page_token:
            return titles


def values(
    frontend: LocalFrontend, list_values: Callable[..., tuple[list[ValueCount], str]], request: Any
) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while True:
        page, request.page_token = list_values(frontend.store, request)
        found += [(value.value, value.book_count) for value in page]
        if not request.page_token:
            return found


SPELLINGS = [
    *("Éditions Wiley", "E\u0301ditions Wiley", "ÉDITIONS WILEY", " Éditions  Wiley "),
    *("Éditions\u00a0Wiley", "Éditions Wi\u00adley\u200b"),
]


def test_one_publisher_is_one_entry_however_it_is_written(frontend: LocalFrontend) -> None:
    frontend.receive(*[new_book(f"{n}", publisher=text, category=text) for n, text in enumerate(SPELLINGS)])
    everything = [str(n) for n in range(len(SPELLINGS))]
    for spelling in [*SPELLINGS, "éditions wiley", "Éditions Ｗｉｌｅｙ"]:
        assert listed(frontend, publisher=[spelling]) == everything, spelling
        assert listed(frontend, category=[spelling]) == everything, spelling
    for other in ("Editions Wiley", "Éditions", "Wiley", "Éditions Wiley & Sons"):
        assert listed(frontend, publisher=[other]) == []
    for page_size in (1, 10):
        expected = [("Éditions Wiley", len(SPELLINGS))]
        assert values(frontend, catalog.list_publishers, ListPublishersRequest(page_size=page_size)) == expected
        assert values(frontend, catalog.list_categories, ListCategoriesRequest(page_size=page_size)) == expected


@pytest.mark.parametrize("page_size", [1, 3, 1_000])
def test_values_are_listed_as_people_sort_also_by_pages(frontend: LocalFrontend, page_size: int) -> None:
    names = [
        "abacus",
        "Ábaco",
        "Zürich",
        "ACE",
        "Ace Books",
        "Éditions",
        "eerdmans",
        "O’Reilly",
        "Orion",
        "",
        "戦争",
        "Мир",
    ]
    frontend.receive(*[new_book(publisher=name) for name in names])
    expected = [
        "Ábaco",
        "abacus",
        "ACE",
        "Ace Books",
        "Éditions",
        "eerdmans",
        "O’Reilly",
        "Orion",
        "Zürich",
        "Мир",
        "戦争",
    ]
    request = ListPublishersRequest(page_size=page_size)
    assert values(frontend, catalog.list_publishers, request) == [(name, 1) for name in expected]


@pytest.mark.parametrize("page_size", [1, 7, 1_000])
def test_a_filter_takes_several_values(frontend: LocalFrontend, page_size: int) -> None:
    chance = random.Random(3)
    publishers, categories = [f"P{n}" for n in range(6)] + [""], [f"C{n}" for n in range(4)] + [""]
    books = [
        new_book(
            f"word {n}",
            publisher=chance.choice(publishers),
            category=chance.choice(categories),
            format=chance.choice(["F0", "F1", "F2", ""]),
        )
        for n in range(90)
    ]
    frontend.receive(*books)
    for filters in (
        {"publisher": ["P1", "P2"]},
        {"publisher": ["p1", "P2", "P2", " p2 ", "", "nobody"]},
        {"publisher": ["P0", "P1", "P2", "P3", "P4"], "category": ["C1"]},
        {"publisher": ["P3"], "category": ["C1", "c2", "C3"]},
        {"publisher": ["P1", "P2", "P3"], "category": ["C1", "C2"]},
        {"publisher": ["P1", "P2"], "category": ["C1", "C2", "C0"]},
        {"publisher": [], "category": [f"C{n}" for n in range(50)]},
        {"format": ["f1"]},
        {"format": ["F1", "F2"], "publisher": ["P1", "P2", "P3"], "category": ["C1"]},
        {"format": ["F0", "F1", "F2", ""], "publisher": ["P1"]},
        {"publisher": ["", " ", "\u200b"], "category": [""]},
        {"publisher": ["nobody", "else"]},
    ):
        keys = {name: {text_key(text) for text in texts} - {""} for name, texts in filters.items()}
        expected = [
            book.title
            for book in books
            if all(not wanted or text_key(getattr(book, name)) in wanted for name, wanted in keys.items())
        ]
        for query in ("", "word"):
            assert listed(frontend, page_size, query=query, **filters) == expected, filters


def test_the_admin_filters_alike(admin: Admin) -> None:
    for number, (publisher, category, form) in enumerate(
        [("Wiley", "Fiction", "DVD"), ("WILEY ", "Travel", "Book"), ("Apress", "fiction", "book "), ("", "", "")]
    ):
        admin.add(f"word {number}", publisher=publisher, category=category, format=form)
    for filters, found in (
        ({"publisher": ["wiley"]}, "01"),
        ({"category": ["FICTION"]}, "02"),
        ({"publisher": ["wiley", "apress"]}, "012"),
        ({"publisher": ["wiley", "apress"], "category": ["fiction"]}, "02"),
        ({"publisher": ["wiley"], "category": ["fiction", "travel"]}, "01"),
        ({"format": ["BOOK"]}, "12"),
        ({"format": ["dvd", "book"], "publisher": ["wiley"]}, "01"),
        ({"format": ["book"], "category": ["fiction"]}, "2"),
        ({"format": ["book"], "category": ["fiction"], "publisher": ["wiley"]}, ""),
        ({"publisher": [""]}, "0123"),
        ({"publisher": ["nobody"]}, ""),
    ):
        for page_size in (1, 50):
            for query in ("", "word"):
                titles = admin.titles(page_size=page_size, query=query, **filters)
                assert titles == [f"word {number}" for number in found], filters


# --- texts on their way in ---


def test_texts_are_trimmed_and_put_into_nfc_by_api_and_by_file(admin: Admin) -> None:
    request = AddBookRequest(
        title=" \u200bE\u0301mile\u00a0",
        authors=[" Rousseau\u200d", "Ze\u0301ro "],
        publisher="\u2009E\u0301ditions ",
        category="Fiction\u200b",
        language=" fr ",
        description="\n De l’e\u0301ducation.\n\nFin \n",
    )
    expected = ("Émile", ["Rousseau", "Zéro"], "Éditions", "Fiction", "fr", "De l’éducation.\n\nFin")
    added = admin.add(**{field.name: value for field, value in request.ListFields()})
    [outcome] = admin.import_rows(request)
    updated = admin.update(Book(id=added.id, title="x"), "title")
    assert updated.title == "x"
    updated = admin.update(
        Book(id=added.id, title=request.title, description=request.description), "title", "description"
    )
    for book in (admin.get(added.id), admin.get(outcome.book_id), updated):
        found = (book.title, list(book.authors), book.publisher, book.category, book.language, book.description)
        assert found == expected


def test_a_required_text_of_which_nothing_is_left_is_missing(admin: Admin) -> None:
    for invisible in ("\u200b", "\u00ad\u2060", "\u3164", " \u200d "):
        with pytest.raises(FieldInvalid, match="title"):
            check(AddBookRequest(title=invisible))
        with pytest.raises(FieldInvalid, match=r"authors\[1\]"):
            check(AddBookRequest(title="Emma", authors=["Jane", invisible]))
        [outcome] = admin.import_rows(AddBookRequest(title=invisible, authors=[invisible]))
        assert [problem.field for problem in outcome.problems] == ["title", "authors[0]"]
        book = admin.add("Emma")
        with pytest.raises(FieldInvalid, match=r"book\.title"):
            admin.update(Book(id=book.id, title=invisible), "title")


def test_a_pasted_isbn_is_taken_by_add_and_update_and_found(admin: Admin) -> None:
    book = admin.add("Emma", isbn="ISBN-13: 978‑0‑14‑143958‑7 (pbk.) : $12.99")
    assert book.isbn == "9780141439587"
    other = admin.add("Other", isbn="urn:isbn:9780306406157")
    assert admin.update(Book(id=other.id, isbn="ISBN-10: 0-441-47812-3"), "isbn").isbn == "9780441478125"
    for query in ("ISBN 0141439580", "isbn:9780141439587", "978–0–14–143958–7", "9780141439587 (pbk.)"):
        assert admin.titles(query=query) == ["Emma"], query


# --- what is left out ---


def test_a_list_counts_the_books_it_left_out(frontend: LocalFrontend) -> None:
    books = [new_book(f"word {n}", publisher=f"P{n % 2}", category=f"C{n % 3}", format=f"F{n % 2}") for n in range(12)]
    frontend.receive(*books)
    user = frontend.user()
    for book in books[:6]:
        frontend.borrow(book.id, user.id)
    books[6].state, books[7].state = BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED
    frontend.receive(books[6], books[7])

    def left_out(**filters: Any) -> int:
        return catalog.list_books(frontend.store, ListBooksRequest(**filters)).left_out_count

    assert left_out() == left_out(query="word") == left_out(query="wor") == left_out(query="wort") == 7
    assert left_out(publisher=["p0"]) == left_out(publisher=["p0"], query="word") == 4
    assert left_out(publisher=["P0", "P1"]) == 7
    assert left_out(category=["C0", "c1"]) == left_out(category=["C0", "C1"], query="word") == 5
    assert left_out(publisher=["P0"], category=["C0"]) == 2
    assert left_out(format=["f0"]) == left_out(format=["f0"], query="word") == 4
    assert left_out(format=["f0", "F1"]) == 7
    assert left_out(format=["f0"], category=["C0"]) == 2
    assert left_out(query="1") == 1
    assert left_out(query="11") == left_out(publisher=["nobody"]) == left_out(query="nowhere") == 0
    assert left_out(include_unavailable=True) == left_out(include_unavailable=True, query="word") == 0

    request = ListBooksRequest(page_size=2)
    first = catalog.list_books(frontend.store, request)
    request.page_token = first.next_page_token
    assert (first.left_out_count, catalog.list_books(frontend.store, request).left_out_count) == (7, 0)
    for loan in list(Loan.select()):
        frontend.bring_back(loan.id)
    assert left_out() == 1


def test_no_more_are_counted_than_are_worth_it(frontend: LocalFrontend) -> None:
    frontend.receive(*[new_book("word", state=BOOK_STATE_UNAVAILABLE) for _ in range(1_003)])
    for request in (ListBooksRequest(), ListBooksRequest(query="word")):
        assert catalog.list_books(frontend.store, request).left_out_count == catalog.MOST_LEFT_OUT


def test_the_longest_values_fit_into_the_indexes(frontend: LocalFrontend) -> None:
    longest = ["漢" * 200, "ﷺ" * 200, "𝕬" * 200, "é" * 200, "x" * 200]
    frontend.receive(*[new_book(text, publisher=text, category=text, format=text) for text in longest])
    for text in longest:
        assert listed(frontend, publisher=[text], category=[text], format=[text]) == [text]
    request = ListPublishersRequest(page_size=1)
    assert {name for name, _ in values(frontend, catalog.list_publishers, request)} == set(longest)
    page, token = catalog.list_publishers(frontend.store, ListPublishersRequest(page_size=1))
    assert len(ListPublishersResponse(publishers=page, next_page_token=token).next_page_token) <= 2_000
