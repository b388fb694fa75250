"""Strategies of hypothesis for books and items within the limits of the contract, as the stores have them."""

from __future__ import annotations

from google.type.money_pb2 import Money
from hypothesis import strategies as st
from stdnum import ean, issn

from library.v1.book_pb2 import Book, Contributor, Identifier, IdentifierType
from library.v1.item_pb2 import Item
from library_formats.mapping.rules import mapping_of, roles, words
from service_kit.text.keys import tidied
from tests.support.isbns import isbn13

_CHARACTERS = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029\ufeff\ufffe\uffff")
_PUNCTUATED = st.sampled_from(
    ["A /", "The end.", "Wash., D.C.", "1. ; :", "[x]", "a = b :", "$b", "Gibson, William", "'", "{}\\"]
)
_LINES = st.text(st.one_of(_CHARACTERS, st.sampled_from('\n\r\t"\\<&>]')), max_size=150)


def texts(most: int, least: int = 0) -> st.SearchStrategy[str]:
    """Texts in one line, of at most and at least this number of characters."""
    text = st.one_of(st.text(_CHARACTERS, max_size=min(most, 60)), _PUNCTUATED).map(tidied)
    text = text.filter(lambda made: len(made) <= most)
    return (
        text.map(lambda made: f"{made}A")
        if least
        else st.one_of(st.just(""), text.map(lambda made: made and f"{made}z"))
    )


def _check_digit(digits: str) -> str:
    return digits + ean.calc_check_digit(digits)


def _identifier() -> st.SearchStrategy[Identifier]:
    kinds = IdentifierType
    numbers = st.text("0123456789", min_size=7, max_size=7)
    made = [
        st.text("0123456789", min_size=12, max_size=12).map(_check_digit).map(lambda n: (kinds.IDENTIFIER_TYPE_EAN, n)),
        numbers.map(lambda n: (kinds.IDENTIFIER_TYPE_ISSN, issn.format(n + issn.calc_check_digit(n)))),
        st.integers(1, 10**10).map(lambda n: (kinds.IDENTIFIER_TYPE_OCLC, str(n))),
        st.integers(10**7, 10**8 - 1).map(lambda n: (kinds.IDENTIFIER_TYPE_LCCN, str(n))),
        st.integers(10**6, 2 * 10**6).map(lambda n: (kinds.IDENTIFIER_TYPE_ISBN, isbn13(n))),
        texts(40, 1).map(lambda text: (kinds.IDENTIFIER_TYPE_OTHER, text)),
    ]
    return st.one_of(made).map(lambda pair: Identifier(type=pair[0], value=pair[1]))


_LANGUAGES = st.one_of(
    st.sampled_from([*words().languages, *words().languages.values(), "en-GB", "zh-Hant-TW", "und", "Deutsch", "grc"]),
    texts(30),
)
_FORMATS = st.one_of(st.sampled_from([rule.format for rule in mapping_of(0).formats]), texts(90))
_ROLES = st.one_of(st.sampled_from([*roles().authors, *roles().marc.values(), "Author", "oth"]), texts(90))
_CONTRIBUTORS = st.builds(Contributor, name=texts(190, 1), role=_ROLES)

_DESCRIPTIONS = st.tuples(_LINES, st.integers(1, 100)).map(lambda made: tidied((made[0] * made[1])[:10_000]))
"""Some of them need several fields of ISO 2709."""

BOOKS = st.builds(
    Book,
    title=texts(490, 1),
    subtitle=texts(490),
    authors=st.lists(texts(190, 1), max_size=4),
    isbn=st.one_of(st.just(""), st.integers(1, 10**6).map(isbn13)),
    publisher=texts(190),
    category=texts(190),
    language=_LANGUAGES,
    published_year=st.one_of(st.just(0), st.integers(-5000, 2200)),
    page_count=st.integers(0, 100_000),
    description=_DESCRIPTIONS,
    cover_uri=st.sampled_from(["", "https://library.example/covers/1.jpg?a=1&b=%20", "http://x.example/a;b"]),
    edition=texts(190),
    series=texts(290),
    volume=texts(90),
    subjects=st.lists(texts(190, 1), max_size=4),
    identifiers=st.lists(_identifier(), max_size=4, unique_by=lambda identifier: (identifier.type, identifier.value)),
    contributors=st.lists(_CONTRIBUTORS, max_size=4),
    format=_FORMATS,
)
"""Books with the fields that librarians write, without copies."""

_PRICES = st.builds(
    Money, currency_code=st.just("EUR"), units=st.integers(0, 10**6), nanos=st.integers(0, 99).map(lambda n: n * 10**7)
)

ITEMS = st.builds(
    Item,
    barcode=st.text("ABC0123456789-", min_size=1, max_size=40),
    item_type=texts(40),
    branch=st.sampled_from(["main", "north"]),
    call_number=texts(90),
    shelf=texts(90),
    note=texts(300),
    price=st.one_of(st.none(), _PRICES),
)
