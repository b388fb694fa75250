"""Words: what a text is found by, and what a query asks for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from library_domain.search import book_query, book_words
from service_kit.errors import FieldInvalid
from service_kit.text.expressions import All, Any, But, Expression, Word, exact
from service_kit.text.folding import fold
from service_kit.text.words import INDEX_BYTES, WORD_CHARACTERS, index_words
from tests.support.search_cases import CASES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        (" \t-–—…", ""),
        ("Emma", "emma"),
        ("EMMA emma", "emma"),
        ("Les Misérables", "les miserables"),
        ("Mise\u0301rables", "miserables"),
        ("Straße", "strasse"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        (
            "Ångström’s Öl",
            "angstroms angstroems aangstroms aangstroems angstrom angstroem aangstrom aangstroem s ol oel",
        ),
        ("C++ & C#", "c++ c c#"),
        (".NET, C++11", "net c++ c 11"),
        ("Catch-22", "catch22 catch 22"),
        ("ﬁn de siècle", "fin de siecle"),
        ("１９８４", "1984"),
        ("٢٠٠١ and २००१", "2001 and"),
        ("戦争と平和", "戦 戦争 戦争と 争 争と 争と平 と と平 と平和 平 平和 和"),
        ("ﾊﾟﾘ", "パ パリ リ"),
        ("ハリー・P", "ハ ハリ ハリー リ リー ー p"),
        ("น้ำ", "น้ํ น้ํา า"),
        ("हिन्दी", "हिन्दी"),
        ("O'Brian's; DROP TABLE book", "obrians o brian s drop table book"),
        ('"NEAR(a b)" OR * NOT ^a:', "near ab a b or not"),
        ("J. R. R. Tolkien", "jrr j r tolkien"),
        ("J.R.R. Tolkien", "jrr j r tolkien"),
        ("20,000 Leagues", "20000 20 000 leagues"),
        ("AT&T", "att at t"),
        ("mother-in-law's", "motherinlaws mother in laws law s"),
        ("a\u00adb\u200bc\u200dd\u2060e\ufefff\u034fg\ufe0fh", "abcdefgh"),
        ("👍🏽 👨\u200d👩\u200d👧 ♥", ""),
    ],
)
def test_words_of_a_text(text: str, words: str) -> None:
    assert sorted(index_words(text)) == sorted(words.split())


@given(st.text())
def test_words_have_nothing_that_an_engine_splits_or_interprets(text: str) -> None:
    for word in index_words(text):
        assert 0 < len(word) <= WORD_CHARACTERS
        assert not any(char.isspace() or char in "\"'\\\0:*()&|!<>^" for char in word), repr(word)


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(codec="utf-8", categories=["L", "Nd", "Mn", "Mc", "Zs"])))
def test_however_a_text_is_composed_its_words_are_the_same(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert set(index_words(unicodedata.normalize(form, text))) == set(index_words(text))


def test_a_text_that_is_made_to_have_many_words_stays_within_what_an_engine_takes() -> None:
    many = "".join(chr(0x20000 + number) for number in range(20_000))
    words = index_words(many)
    assert sum(len(word.encode()) + 1 for word in words) <= INDEX_BYTES
    assert len(words) > 10_000


def asked(query: str) -> Expression:
    """What is asked for, with whole words."""
    return exact(book_query(query))


ISBN = Word("9780141439587")


@pytest.mark.parametrize(
    "query",
    [
        *("978-0-14-143958-7", "9780141439587", "978 0 14 143958 7", "978‑0‑14‑143958‑7", "978–0–14–143958–7"),
        *("ISBN 9780141439587", "ISBN-13: 978-0-14-143958-7", "isbn:9780141439587", "urn:isbn:9780141439587"),
        *("ISBN-10: 0-14-143958-0", "ISBN 0141439580", "9780\u00ad1414\u00ad39587", "9780141439587 (pbk.) : $12.99"),
        *("978\u00a00\u200914\u2009143958\u20097", "９７８０１４１４３９５８７", "ISBN13 9780141439587 hardcover"),
    ],
)
def test_an_isbn_in_a_query_is_its_thirteen_digits(query: str) -> None:
    assert asked(query) == ISBN
    assert asked(f"emma {query}") == asked(f"{query}, emma") or {"emma", ISBN.text} <= {
        word.text for word in getattr(asked(f"emma {query}"), "parts", ())
    }


def test_ten_digits_are_looked_for_as_an_isbn_and_as_a_number() -> None:
    assert asked("0141439580") == Any((ISBN, Word("0141439580")))
    assert asked("1000000001 nights") != asked("nights")
    assert Word("1000000001") in getattr(getattr(asked("1000000001 nights"), "parts", (None,))[0], "parts", ())


@pytest.mark.parametrize(
    "query", [" ", "-", "!!!", "\u00a0", "'", '"', "%", "*", "👍", "\u200b", "\u3099", "\u0301" * 200]
)
def test_a_query_without_a_word_is_refused(query: str) -> None:
    with pytest.raises(FieldInvalid, match="query"):
        book_query(query)


@given(st.text(min_size=1, max_size=40), st.lists(st.text(min_size=1, max_size=20), max_size=3))
def test_a_book_is_found_by_its_own_title_and_authors(title: str, authors: list[str]) -> None:
    words = set(book_words(title, authors, "9780141439587"))
    assert {"9780141439587", *index_words(title)} <= words
    assert all(set(index_words(author)) <= words for author in authors)


def test_authors_do_not_run_into_one_another() -> None:
    assert book_words("T", ["J", "A"], "") == ["t", "j", "a"]


def matches(expression: Expression, words: set[str]) -> bool:
    """Whether a row with these words matches: what the engines do, written out."""
    if isinstance(expression, Word):
        return any(word.startswith(expression.text) if expression.prefix else word == expression.text for word in words)
    if isinstance(expression, But):
        return matches(expression.wanted, words) and not matches(expression.unwanted, words)
    found = [matches(part, words) for part in expression.parts]
    return all(found) if isinstance(expression, All) else any(found)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40)
TRICKY = st.text("aéØå\"'\\*:&|-+#., \u3042漢\u3099\u0301\u0e31\u0e01\u200dß㌀ﷺⅧ\u093fिकИй\u0306", max_size=20)


@settings(max_examples=500)
@given(TEXTS | TRICKY | st.sampled_from([case.text for case in CASES]))
@example("ŉaıßᾳ ẖﬃ Ⅷ")
@example("0#'0/0")
@example("a++'b/c")
@example("F#/C#-a+b")
def test_any_text_is_found_by_itself_in_any_form_and_by_each_of_its_words(text: str) -> None:
    words = set(index_words(text))
    assume(words)
    forms = {text, text.upper(), text.lower(), text.casefold(), f"  {text}  ", "\u00ad".join(text)}
    forms |= {unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    for query in forms | words:
        assert matches(exact(book_query(query)), words), query
        assert matches(book_query(query), words), query
