"""ISBNs are taken as people write them and refused with the reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library_domain.isbn import normalized_isbn13


def check_digit(twelve: str) -> str:
    """The thirteenth digit by the rule of ISO 2108, written out here so that it is not the library's own word."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(twelve))
    return str(-total % 10)


isbns = st.builds(
    lambda prefix, rest: prefix + rest + check_digit(prefix + rest),
    st.sampled_from(["978", "979"]),
    st.text("0123456789", min_size=9, max_size=9),
)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("", ""),
        (" ", ""),
        ("9780306406157", "9780306406157"),
        ("978-0-306-40615-7", "9780306406157"),
        (" 978 0306 406157 ", "9780306406157"),
        ("978\u20130\u2013306\u201340615\u20137", "9780306406157"),
        ("0-306-40615-2", "9780306406157"),
        ("080442957X", "9780804429573"),
        ("080442957x", "9780804429573"),
    ],
)
def test_is_kept_as_thirteen_digits(written: str, kept: str) -> None:
    assert normalized_isbn13(written) == kept


# As people paste it from shops, catalogues, title pages and files.
PASTED = [
    *("EAN 9780306406157", "ISBN (13): 9780306406157", "ISBN-13 (pbk): 9780306406157", "I.S.B.N. 9780306406157"),
    *("ISBN_9780306406157", "isbn/9780306406157", "978.0.306.40615.7", "978_0306406157", "9780306406157, paperback"),
    *("ISBN 9780306406157", "ISBN-13: 978-0-306-40615-7", "ISBN-10: 0-306-40615-2", "ISBN13:9780306406157"),
    *("isbn:0306406152", "urn:isbn:9780306406157", "URN:ISBN:978-0-306-40615-7", "e-ISBN 9780306406157"),
    *("eISBN: 9780306406157", "p-ISBN 0306406152", "ISBN-10 0306406152", "ISBN 10: 0306406152", "ISBN=9780306406157"),
    *("ISBN-13-9780306406157", "ISBN9780306406157", "ISBN#9780306406157", "ISBN no. 9780306406157", "Isbn. 0306406152"),
    *("ISBN-13 : 978-0306406157", "Print ISBN 978-0-306-40615-7", "electronic isbn 9780306406157"),
    *("978\u20110\u2011306\u201140615\u20117", "978\u20130\u2013306\u201340615\u20137", "978\u20140306406157"),
    *("978\u20100\u2012306\u221240615\ufe587", "978\uff0d0306406157", "978\u20150306406157", "978\ufe630306406157"),
    *("978\u00ad0306\u00ad406157", "978\u00a00306\u2009406157", "978\u202f0306\u3000406157", "978\u200b0306406157"),
    *("\u200e978-0306406157\u200f", "\u2060978-0-306-40615-7", "978 - 0 - 306 - 40615 - 7"),
    *(
        "9780306406157 (pbk.)",
        "9780306406157 (hardcover)",
        "0306406152 (v. 1) (alk. paper)",
        "9780306406157 [paperback]",
    ),
    *(
        "0306406152 : $12.99",
        "9780306406157 (pbk.) : £4.50",
        "0306406152 (cloth) :",
        "9780306406157 pbk.",
        "9780306406157;",
    ),
    *("9780306406157:", "9780306406157.", "ISBN 9780306406157,", "(ISBN 9780306406157)", "[9780306406157]"),
    *('"9780306406157"', "ISBN: 978-0-306-40615-7 (alk. paper) : EUR 30.00", "0306406152 hardcover edition"),
    *(
        "９７８０３０６４０６１５７",
        "ＩＳＢＮ ９７８-０３０６４０６１５７",
        "ISBN：9780306406157",
        "ISBN（9780306406157）",
    ),
]


@pytest.mark.parametrize("pasted", PASTED)
def test_is_taken_as_it_is_pasted(pasted: str) -> None:
    assert normalized_isbn13(pasted) == "9780306406157"


@pytest.mark.parametrize(
    "pasted", ["080442957X", "ISBN 0-8044-2957-x", "ISBN-10: 080442957Ｘ", "isbn:080442957x (pbk.)"]
)
def test_an_isbn_10_may_end_in_x(pasted: str) -> None:
    assert normalized_isbn13(pasted) == "9780804429573"


@pytest.mark.parametrize("pasted", ["ISBN 1032305312", "ISBN 10 32305312", "ISBN-10 1032305312", "ISBN 1-03-230531-2"])
def test_a_label_takes_no_digit_from_an_isbn_10_that_begins_with_10(pasted: str) -> None:
    assert normalized_isbn13(pasted) == "9781032305318"


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("030640615", "has 10 or 13 digits, but this has 9"),
        ("97803064061", "has 10 or 13 digits, but this has 11"),
        ("9" * 400, "but this has 400"),
        ("-", "but this has 0"),
        ("9780306406158", "check digit does not fit"),
        ("0306406153", "check digit does not fit"),
        ("1234567890128", "begins with 978 or 979"),
        ("ISBN", "has 10 or 13 digits, but this has 0"),
        ("ISBN 9780306406158", "check digit does not fit"),
        ("ISBN-13: 978030640615", "but this has 12"),
        ("9780306406157, 9780441478125", "but this has 26|has only digits"),
        ("9780306406157 Penguin", "has only digits, hyphens and spaces"),
        ("978030640615X", "has only digits, hyphens and spaces"),
        ("0306X06152", "has only digits, hyphens and spaces"),
        ("97803064061\n7", "has only digits, hyphens and spaces"),
        ("\u0660\u0663\u0660\u0666\u0664\u0660\u0666\u0661\u0665\u0662", "has only digits, hyphens and spaces"),
    ],
)
def test_is_refused_with_what_is_wrong(written: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        normalized_isbn13(written)


@given(isbns, st.sets(st.integers(1, 12)))
def test_hyphens_change_nothing(isbn: str, hyphens: set[int]) -> None:
    written = "".join(f"-{digit}" if place in hyphens else digit for place, digit in enumerate(isbn))
    assert normalized_isbn13(written) == isbn


@given(isbns, st.integers(3, 12), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(isbn: str, place: int, shift: int) -> None:
    mistyped = isbn[:place] + str((int(isbn[place]) + shift) % 10) + isbn[place + 1 :]
    with pytest.raises(ValueError, match="check digit"):
        normalized_isbn13(mistyped)


@given(st.text(max_size=20))
def test_any_text_is_an_isbn_or_refused_with_a_reason(written: str) -> None:
    try:
        kept = normalized_isbn13(written)
    except ValueError as error:
        assert "ISBN" in str(error) or "check digit" in str(error)
    else:
        assert kept == "" or (len(kept) == 13 and kept.isascii() and kept.isdigit())


def test_many_blanks_take_no_long() -> None:
    with pytest.raises(ValueError, match="has only digits"):
        normalized_isbn13("9780306406157" + " " * 100_000 + "z")
