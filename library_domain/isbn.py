"""Read ISBNs as people write and paste them."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from stdnum import isbn
from stdnum.exceptions import InvalidComponent, ValidationError

from service_kit.text.folding import HYPHENS, without_invisible

_LABEL = (
    r"(?:urn:\s*)?(?:(?:e|p|print|online|electronic)[ -]?)?(?:isbn|i\.s\.b\.n\.|ean)(?:[ -]?(?P<kind>1[03])(?!\d))?"
    r"(?:\s*(?:no|nr|number)\b\.?|\s*#)?"
    r"(?:\s*\((?:1[03]|[^()\d]{1,20})\))?"  # which of several: ISBN (pbk): 978…
)
_LABEL_AND_COLON = rf"{_LABEL}\s*[:=./_-]?\s*[(\[\"]?"
_BINDINGS = (
    r"(?:pbk|hbk|hc|pb|hb|paperback|hardcover|hardback|softcover|softback|cloth|cased|ebook|e-book|epub|pdf|kindle|"
    r"electronic|print|board|library|trade|mass market|set|alk|acid-free)\b\.?"
)
# What catalogues write after an ISBN (MARC 21, field 020): the binding and the price.
_TAIL = (
    rf"(?:\s*[(\[][^()\[\]]*[)\]]|[\s,;]+{_BINDINGS}(?:\s+(?:binding|edition|ed|bk|book|cover|paper|back)\b\.?)?)*"
    r"(?:\s*:?\s*(?:[$£€¥]|(?:USD|EUR|GBP|US\$|CAD|Rs\.?|DM)\s?)\s*\d[\d.,]*(?:\s*(?:USD|EUR|GBP|US|CAN|[$£€]))?)?"
    r"\s*[:;,.)\]\"'>]*"
)
_OPENING = "([\"'<"
_BETWEEN = "[ ._-]{0,3}"
_ISBN_13 = rf"97[89](?:{_BETWEEN}\d){{10}}"
_ISBN_10 = rf"\d(?:{_BETWEEN}\d){{8}}{_BETWEEN}[\dX]"

_LABELLED = re.compile(_LABEL_AND_COLON, re.IGNORECASE | re.ASCII)
_UNDECORATED = re.compile(rf"(?P<written>.*?[0-9Xx ._-]){_TAIL}", re.IGNORECASE | re.ASCII)
_CANDIDATES = [
    re.compile(rf"(?:{_LABEL_AND_COLON})?(?P<written>{pattern})(?!\w)", re.IGNORECASE)
    for pattern in (_ISBN_13, _ISBN_10)
]
_BEGINNING = re.compile(r"(?<!\w)(?=[0-9eiopu])", re.IGNORECASE)
_AFTER = re.compile(_TAIL, re.IGNORECASE | re.ASCII)
_RUN_OF_BLANKS = re.compile(r"\s{4,}")
_DASHES = str.maketrans(dict.fromkeys(HYPHENS + "—―", "-"))


_BETWEEN_DIGITS = str.maketrans("", "", "- ._")


class Found(NamedTuple):
    """An ISBN within a text."""

    begin: int
    end: int
    isbn13: str
    is_certain: bool
    """False for ten digits without a label, which can be any number: one of eleven has the form of an ISBN-10."""


@functools.lru_cache(maxsize=256)  # a row of an import is checked before it is converted
def normalized_isbn13(text: str) -> str:
    """Return the ISBN-13 in `text` as 13 digits; "" for an empty text.

    Accepts an ISBN-10 or ISBN-13 (ISO 2108) with any hyphens and blanks between the digits, with a label such as
    `ISBN-13:` or `urn:isbn:` before them, and with a binding or a price after them.
    Raises ValueError with the problem, as the end of a sentence about ISBNs.
    """
    plain = plain_text(text).strip()
    if not plain:
        return ""
    if plain[0] in _OPENING:
        plain = plain[1:].strip()
    label = _LABELLED.match(plain)
    candidates = [plain[label.end() :], plain[max(label.start("kind"), 0) :]] if label else [plain]
    problem = ValueError("an ISBN has 10 or 13 digits, but this has 0")
    for candidate in candidates:
        try:
            return _validated(_undecorated(candidate))
        except ValueError as error:
            problem = error if candidate == candidates[0] else problem
    raise problem


def isbns_in(plain: str) -> Iterator[Found]:
    """Yield the valid ISBNs of a text that `plain_text` made, each with its label and its binding."""
    end = 0
    for match in _BEGINNING.finditer(plain):
        if match.start() < end:
            continue
        for candidate in _CANDIDATES:
            found = candidate.match(plain, match.start())
            isbn13 = _isbn13_or_none(found.group("written")) if found else None
            if found and isbn13:
                after = _AFTER.match(plain, found.end())
                end = after.end() if after else found.end()
                has_label = found.start("written") > found.start()
                yield Found(match.start(), end, isbn13, has_label or candidate is _CANDIDATES[0])
                break


def plain_text(text: str) -> str:
    """Return a text with ASCII hyphens, blanks and digits in place of others, without invisible characters."""
    if not text.isascii():
        text = "".join(map(_plain_character, without_invisible(text).translate(_DASHES)))
    # Long runs of blanks are shortened, because the expressions above are slow for them.
    return _RUN_OF_BLANKS.sub("   ", text)


def _plain_character(char: str) -> str:
    if char in "Хх":  # the Cyrillic letter, which looks like the check digit X
        return "X"
    compatible = unicodedata.normalize("NFKC", char)
    return compatible if len(compatible) == 1 and compatible.isascii() else char


def _undecorated(text: str) -> str:
    match = _UNDECORATED.fullmatch(text)
    return match.group("written") if match else text


def _isbn13_or_none(written: str) -> str | None:
    try:
        return _validated(written)
    except ValueError:
        return None


def _validated(text: str) -> str:
    written = text.translate(_BETWEEN_DIGITS).upper()
    if not re.fullmatch("[0-9]*|[0-9]{0,9}X", written):
        raise ValueError("an ISBN has only digits, hyphens and spaces; an ISBN-10 may end in X")
    # stdnum reads nine digits as an SBN of before 1970; here they are far more often an ISBN that has lost a digit.
    if len(written) not in (10, 13):
        raise ValueError(f"an ISBN has 10 or 13 digits, but this has {len(written)}")
    try:
        return isbn.validate(written, convert=True)
    except InvalidComponent as error:
        raise ValueError("an ISBN-13 begins with 978 or 979") from error
    except ValidationError as error:
        raise ValueError("the check digit does not fit the other digits; is one of them mistyped?") from error
