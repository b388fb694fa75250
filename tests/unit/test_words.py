"""Words are found whatever their case, accents and punctuation; ISBNs however they are written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library_domain.search import book_words, query_words
from service_kit.errors import FieldInvalid
from service_kit.full_text import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t-–—…", []),
        ("Emma", ["emma"]),
        ("EMMA emma", ["emma", "emma"]),
        ("Les Misérables", ["les", "miserables"]),
        ("Mise\u0301rables", ["miserables"]),  # the accent as a character of its own
        ("Straße", ["strasse"]),
        ("ΣΊΣΥΦΟΣ", ["σισυφοσ"]),
        ("Ångström’s Öl", ["angstrom", "s", "ol"]),
        ("C++ & C#", ["c", "c"]),
        ("Catch-22", ["catch", "22"]),
        ("ﬁn de siècle", ["fin", "de", "siecle"]),  # a ligature
        ("１９８４", ["1984"]),  # full-width digits
        ("戦争と平和", ["戦争と平和"]),
        ("O'Brian's; DROP TABLE book", ["o", "brian", "s", "drop", "table", "book"]),
        ('"NEAR(a b)" OR * NOT ^a:', ["near", "a", "b", "or", "not", "a"]),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text())
def test_words_are_letters_and_digits_and_nothing_else(text: str) -> None:
    assert all(word and word.isalnum() for word in words_of(text))


@given(st.text())
def test_words_of_words_are_themselves(text: str) -> None:
    words = words_of(text)
    assert words_of(" ".join(words)) == words


@given(st.text(st.characters(codec="utf-8", categories=["L", "Nd"])))
def test_however_a_word_is_composed_it_is_the_same(text: str) -> None:
    assert words_of(unicodedata.normalize("NFD", text)) == words_of(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("emma", ["emma"]),
        ("Austen, Emma", ["austen", "emma"]),
        ("978-0-14-143958-7", ["9780141439587"]),
        ("9780141439587", ["9780141439587"]),
        ("0-14-143958-0", ["9780141439587"]),  # as ISBN-10
        ("0141439580 emma", ["9780141439587", "emma"]),
        ("emma 1816 978 0 14 143958 7", ["emma", "1816", "978", "0", "14", "143958", "7"]),  # the year could be of it
        ("emma, 1816, 978 0 14 143958 7", ["emma", "1816", "9780141439587"]),
        ("97801414395871", ["97801414395871"]),  # a digit too many,
        ("080442957X", ["9780804429573"]),
        ("0 8044 2957 x", ["9780804429573"]),
        ("978-0-14-143958-8", ["978", "0", "14", "143958", "8"]),  # a wrong check digit: the words that stand there
        ("1984", ["1984"]),
    ],
)
def test_words_of_a_query(query: str, words: list[str]) -> None:
    assert query_words(query) == words


@pytest.mark.parametrize("query", [" ", "-", "!!!", "\u00a0", "'", '"', "%", "*"])
def test_a_query_without_a_word_is_refused(query: str) -> None:
    with pytest.raises(FieldInvalid, match="query"):
        query_words(query)


@given(st.text(min_size=1, max_size=40), st.lists(st.text(min_size=1, max_size=20), max_size=3))
def test_a_book_is_found_by_its_own_title_and_authors(title: str, authors: list[str]) -> None:
    words = book_words(title, authors, "9780141439587").split()
    assert {"9780141439587", *words_of(title)} <= set(words)
    assert all(set(words_of(author)) <= set(words) for author in authors)


def test_authors_do_not_run_into_one_another() -> None:
    assert book_words("T", ["Jane", "Austen"], "") == "t jane austen"
