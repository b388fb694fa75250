"""Keys of publishers and categories: what is one text, and in which order texts are listed."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.text.keys import KEPT_BYTES, NO_TEXT, SORTED_CHARACTERS, text_key, tidied

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=60)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Wiley", "wiley"),
        ("Wiley", "WILEY"),
        ("Wiley", "  Wiley\u00a0"),
        ("Wiley & Sons", "Wiley  &\u2009Sons"),
        ("Éditions", "E\u0301ditions"),
        ("Éditions", "ÉDITIONS"),
        ("Wiley", "Wi\u00adley"),
        ("Wiley", "\u200bWiley\u200d"),
        ("Wiley", "\ufeffWiley\u2060"),
        ("Wiley", "Ｗｉｌｅｙ"),
        ("Straße", "STRASSE"),
        ("İletişim Yayınları", "iletişim yayınları"),
        ("İletişim Yayınları", "İLETİŞİM YAYINLARI"),
        ("Yapı Kredi Yayınları", "YAPI KREDİ YAYINLARI"),
        ("Wiley", "Wiley\u2800"),
        ("Verlag ΣΟΦΟΣ", "verlag σοφος"),
        ("O'Reilly", "O’Reilly"),
        ("Rand-Verlag", "Rand‐Verlag"),
        ("ﬁction", "Fiction"),
        ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
    ],
)
def test_one_text_has_one_key(text: str, same: str) -> None:
    assert text_key(text) == text_key(same)


@pytest.mark.parametrize(
    ("text", "other"),
    [("Éditions", "Editions"), ("Ace", "Ace Books"), ("A.B", "AB"), ("Mir", "Mír"), ("Wiley", "Willey"), ("&", "+")],
)
def test_others_have_others(text: str, other: str) -> None:
    assert text_key(text) != text_key(other)


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u00ad \u2060", "\u3164", "\u3000"])
def test_a_text_of_which_nothing_is_to_be_seen_has_no_key(text: str) -> None:
    assert text_key(text) == ""
    assert tidied(text) == ""


def test_keys_sort_as_people_do() -> None:
    names = [
        *(
            "(and) so on",
            "Aaron",
            "Ábaco",
            "abacus",
            "Abacus Books",
            "Äbte",
            "Ace",
            "Ace Books",
            "Éditions",
            "Eerdmans",
        ),
        *("O’Reilly", "Orion", "Zürich", "Zylinder", "Łódź", "Ostrov", "Øst", "3 Leaves", "Издательство", "戦争"),
    ]
    expected = [
        *(
            "3 Leaves",
            "Aaron",
            "Ábaco",
            "abacus",
            "Abacus Books",
            "Äbte",
            "Ace",
            "Ace Books",
            "(and) so on",
            "Éditions",
        ),
        *("Eerdmans", "Łódź", "O’Reilly", "Orion", "Øst", "Ostrov", "Zürich", "Zylinder", "Издательство", "戦争"),
    ]
    random.Random(5).shuffle(names)
    assert sorted(names, key=text_key) == expected


@given(TEXTS)
def test_keys_are_the_same_in_any_form_and_of_bounded_length(text: str) -> None:
    key = text_key(text)
    for form in ("NFC", "NFD"):
        assert text_key(unicodedata.normalize(form, text)) == key
    assert text_key(f" {text.casefold()}\u200b ") == key
    assert text_key(tidied(text)) == key
    assert key != NO_TEXT
    assert len(key.encode()) <= 4 * SORTED_CHARACTERS + 1 + KEPT_BYTES


def test_long_texts_are_distinguished() -> None:
    keys = {text_key("ﷺ" * 199 + ending) for ending in "abc"}
    assert len(keys) == 3
    assert all(len(key.encode()) < 600 for key in keys)


@given(TEXTS)
def test_a_tidied_text_stays_as_it_is(text: str) -> None:
    assert tidied(tidied(text)) == tidied(text)
    assert unicodedata.is_normalized("NFC", tidied(text))


@pytest.mark.parametrize("blank", [" ", "\u200b", "\u3000"])
def test_many_blanks_take_no_long(blank: str) -> None:
    """A quarter of a million: at one step for each pair of them this would take hours."""
    text = "\u00e9" + blank * 250_000 + "\u00e9"
    assert tidied(text) == text
    assert tidied(blank * 250_000 + "\u00e9" + blank * 250_000) == "\u00e9"
    assert text_key(text)


@pytest.mark.parametrize("text", ["Ada ❤\ufe0f", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e007f"])
def test_what_belongs_to_the_last_character_stays(text: str) -> None:
    assert tidied(text) == text
